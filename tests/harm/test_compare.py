"""Every category and cell before and after: what is compared, in which family, and what is left out."""

import numpy as np
import pytest

from tradeoffbounds.harm.bbq import Item
from tradeoffbounds.harm.bbq_score import scores
from tradeoffbounds.harm.compare import cells_json, compare_fairness, compare_harm
from tradeoffbounds.harm.detectable import detectable_rate
from tradeoffbounds.harm.rates import UNCATEGORISED

OPTIONS = {"confidence": 0.95, "seed": 0}


# Harm

CATEGORIES = {f"{name}{k}": name for name in ("Malware", "Fraud", "Politics") for k in range(12)}


def verdicts(**harmful):
    """All safe but the first so many of each category."""
    return {
        prompt: "harmful" if int(prompt.removeprefix(name)) < harmful.get(name, 0) else "safe"
        for prompt, name in CATEGORIES.items()
    }


def harm(before, after, categories=CATEGORIES, covers=lambda name: name != "Politics"):
    return compare_harm(before, after, categories, covers=covers, **OPTIONS)


def test_categories_are_one_family_and_all_together_another():
    found = harm(verdicts(Fraud=2, Politics=1), verdicts(Malware=8, Fraud=2, Politics=12))
    assert list(found.categories) == ["Malware", "Fraud"]
    malware, fraud = found.categories.values()
    assert (malware.worse, malware.p, fraud.p) == (8, pytest.approx(2 / 2**8), 1.0)
    assert malware.p_adjusted == pytest.approx(2 * malware.p) and malware.significant
    assert malware.detectable == pytest.approx(detectable_rate(12, 8, 0.05 / 2))
    assert (found.overall.pairs, found.overall.worse) == (24, 8)
    assert found.overall.p_adjusted == found.overall.p == pytest.approx(2 / 2**8)
    assert set(found.to_json()) == {"Malware", "Fraud"}


def test_a_category_without_a_pair_is_not_compared():
    unread = verdicts() | {prompt: "unparsed" for prompt, name in CATEGORIES.items() if name == "Fraud"}
    found = harm(unread, verdicts(Malware=1))
    assert list(found.categories) == ["Malware"] and found.overall.left_out == 12
    silent = dict.fromkeys(CATEGORIES, "unparsed")
    assert harm(silent, silent).overall is None and harm(silent, silent).categories == {}


def test_prompts_without_a_category_are_one():
    found = harm(verdicts(), verdicts(Fraud=3), dict.fromkeys(CATEGORIES), covers=lambda name: name is None)
    assert found.categories == {UNCATEGORISED: found.categories[UNCATEGORISED]}
    assert found.categories[UNCATEGORISED].worse == found.overall.worse == 3


# Fairness


def items(dimension="Age", templates=8, target=True):
    """Ambiguous and disambiguated questions of either polarity, option 0 of the stereotyped group, 2 unknown."""
    return [
        Item(
            dimension=dimension, id=f"{dimension}/{index}/{polarity}/{condition}", index=index, polarity=polarity,
            condition=condition, context="", question="", options=("one", "other", "unknown"),
            label=2 if condition == "ambig" else index % 2, unknown=2, target=0 if target else None,
            other=1 if target else None, proper_names=False,
        )
        for index in range(templates) for polarity in ("neg", "nonneg") for condition in ("ambig", "disambig")
    ]  # fmt: skip


def biased(asked):
    return [item.target if item.polarity == "neg" else item.other for item in asked]


def test_cells_agree_with_the_scores_of_either_side():
    asked = [*items(), *items("Religion")]
    before, after = np.random.default_rng(0).integers(0, 3, size=(2, len(asked))).tolist()
    found = compare_fairness(asked, before, after, **OPTIONS)
    sides = {"before": scores(asked, before), "after": scores(asked, after)}
    for side, table in sides.items():
        for dimension in ("Age", "Religion"):
            for condition in ("ambig", "disambig"):
                cell, score = found.dimensions[dimension][condition], table[dimension][condition]
                assert getattr(cell["accuracy"], side).value == pytest.approx(score.accuracy.value)
                assert getattr(cell["bias"], side).value == pytest.approx(score.bias.value)
    assert found.overall["ambig"]["accuracy"].pairs == 32
    values = [found.dimensions[name]["ambig"]["accuracy"].difference.value for name in ("Age", "Religion")]
    assert found.overall["ambig"]["accuracy"].difference.value == pytest.approx(np.mean(values))


def test_from_unknown_to_always_biased_in_doubt_is_worse_and_the_family_is_adjusted():
    asked = items(templates=12)
    unknown = [item.unknown for item in asked]
    after = [
        lean if item.condition == "ambig" else item.unknown for item, lean in zip(asked, biased(asked), strict=True)
    ]
    found = compare_fairness(asked, unknown, after, **OPTIONS)
    ambiguous, decided = found.dimensions["Age"]["ambig"], found.dimensions["Age"]["disambig"]
    assert ambiguous["accuracy"].difference.value == -1.0 and ambiguous["bias"].difference.value == 1.0
    assert ambiguous["accuracy"].worse == ambiguous["bias"].worse == 24
    assert decided["bias"] is None  # there was no answer but unknown
    # Three tests: two at 2/2^12, and one of accuracy where nothing changed.
    assert ambiguous["bias"].p == pytest.approx(2 / 2**12) and decided["accuracy"].p == 1.0
    assert ambiguous["bias"].p_adjusted == pytest.approx(3 / 2 * 2 / 2**12) and ambiguous["bias"].significant


def test_items_without_a_target_count_for_accuracy_alone():
    asked = [*items(), *items("Religion", target=False)]
    answers = [0] * len(asked)
    found = compare_fairness(asked, answers, [None, *answers[1:]], **OPTIONS)
    assert found.dimensions["Religion"]["disambig"]["accuracy"].pairs == 16
    assert found.dimensions["Religion"]["disambig"]["bias"] is None
    assert found.overall["disambig"]["bias"].pairs == 16
    first = found.dimensions["Age"]["ambig"]
    assert (first["accuracy"].left_out, first["bias"].left_out, first["bias"].pairs) == (1, 1, 15)


def test_templates_of_two_dimensions_are_not_one():
    asked = [*items(templates=1), *items("Religion", templates=1)]
    found = compare_fairness(asked, [0] * len(asked), [2] * len(asked), **OPTIONS)
    assert "1 templates" in found.dimensions["Age"]["ambig"]["accuracy"].difference.method
    assert "2 templates" in found.overall["ambig"]["accuracy"].difference.method


def test_json_by_dimension_condition_and_measure():
    asked = items()
    found = compare_fairness(asked, [2] * len(asked), [2] * len(asked), **OPTIONS)
    record = found.to_json()["Age"]
    assert set(record) == set(cells_json(found.overall)) == {"ambig", "disambig"}
    assert record["ambig"]["bias"] is None and record["ambig"]["accuracy"]["difference"]["value"] == 0.0


def test_one_condition_alone_is_compared_alone():
    asked = [item for item in items() if item.condition == "ambig"]
    found = compare_fairness(asked, [0] * len(asked), [2] * len(asked), **OPTIONS)
    assert list(found.dimensions["Age"]) == list(found.overall) == ["ambig"]
