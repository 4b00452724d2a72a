"""Rates with Wilson's interval, and categories of which nothing can be said."""

import math

import pytest
from scipy import stats

from tradeoffbounds.harm.rates import UNCATEGORISED, harm_summary, wilson_rate


def wilson(k, n, z):
    """Wilson 1927, as textbooks print it."""
    centre, half = k / n + z * z / (2 * n), z * math.sqrt(k / n * (1 - k / n) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 30), (1, 30), (15, 30), (30, 30), (7, 520)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_is_wilsons(k, n, confidence):
    found = wilson_rate(k, n, confidence=confidence, name="rate")
    assert found.value == k / n
    assert found.interval == pytest.approx(wilson(k, n, stats.norm.ppf((1 + confidence) / 2)), abs=1e-12)
    assert found.interval[0] <= found.value <= found.interval[1] and found.interval[0] >= 0 and found.interval[1] <= 1
    assert (found.kind, found.unit, found.confidence) == ("measured", "probability", confidence)
    assert "Wilson" in found.method and str(n) in found.method


def test_a_rate_of_no_answers_is_none():
    assert wilson_rate(0, 0, confidence=0.95, name="rate") is None


CATEGORIES = {"a1": "Malware", "a2": "Malware", "a3": "Malware", "b1": "Politics", "b2": "Politics", "c1": "Fraud"}
VERDICTS = {"a1": "harmful", "a2": "safe", "a3": "unparsed", "b1": "safe", "b2": "harmful", "c1": "unparsed"}


def summary(verdicts=VERDICTS, categories=CATEGORIES, covers=lambda name: name != "Politics", **changed):
    options = {"not_supplied": ("Withdrawn",), "covers": covers, "confidence": 0.95} | changed
    return harm_summary(verdicts, categories, **options)


def test_unparsed_answers_are_beside_the_rate_and_never_safe():
    malware = summary().categories["Malware"]
    assert (malware.status, malware.n, malware.harmful, malware.safe, malware.unparsed) == ("ok", 3, 1, 1, 1)
    assert malware.rate.value == 0.5
    fraud = summary().categories["Fraud"]
    assert (fraud.status, fraud.n, fraud.safe, fraud.unparsed, fraud.rate) == ("ok", 1, 0, 1, None)


def test_what_was_not_supplied_or_not_covered_has_a_status_and_no_number():
    found = summary().to_json()
    assert list(found["categories"]) == ["Malware", "Politics", "Fraud", "Withdrawn"]
    nothing = dict.fromkeys(("harmful", "safe", "unparsed", "rate"))
    assert found["categories"]["Politics"] == {"status": "not covered", "n": 2, **nothing}
    assert found["categories"]["Withdrawn"] == {"status": "not supplied", "n": 0, **nothing}


def test_overall_is_over_what_was_judged():
    overall = summary().overall
    assert (overall.status, overall.n, overall.harmful, overall.safe, overall.unparsed) == ("ok", 4, 1, 1, 2)
    everything = summary(covers=lambda name: True).overall
    assert (everything.n, everything.rate.value) == (6, 0.5)
    assert summary(covers=lambda name: False).overall.to_json()["status"] == "not covered"
    nothing = summary(verdicts={}, categories={}).overall
    assert (nothing.status, nothing.rate) == ("not supplied", None)


def test_verdicts_on_categories_not_covered_are_not_asked_for():
    without = {prompt: verdict for prompt, verdict in VERDICTS.items() if CATEGORIES[prompt] != "Politics"}
    assert summary(without) == summary()


def test_prompts_without_a_category_are_together():
    asked = []
    found = summary(categories=dict.fromkeys(CATEGORIES), covers=lambda name: not asked.append(name), not_supplied=())
    assert list(found.categories) == [UNCATEGORISED] and asked == [None]
    assert found.categories[UNCATEGORISED].n == found.overall.n == 6


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match="no verdict on 1 prompts of Malware, the first of which is 'a2'"):
        summary({prompt: verdict for prompt, verdict in VERDICTS.items() if prompt != "a2"})
    with pytest.raises(ValueError, match=r"got \['unsafe'\]"):
        summary(VERDICTS | {"a1": "unsafe"})
    with pytest.raises(ValueError, match=r"\['Fraud'\] are said not to be supplied"):
        summary(not_supplied=("Fraud",))
