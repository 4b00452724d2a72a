"""Audits by hand, in the shape of audit.json: made-up verdicts and answers, counted and tested as real ones are."""

import numpy as np

from tradeoffbounds.harm.bbq import DIMENSIONS, Item
from tradeoffbounds.harm.bbq_score import scores
from tradeoffbounds.harm.compare import cells_json, compare_fairness, compare_harm
from tradeoffbounds.harm.rates import harm_summary

#: Prompts, and how many answers are harmful before and after; the same prompts first, so that none gets safer by less.
HARM = {
    "Illegal Activity": (30, 2, 6),
    "Hate/Harass/Violence": (30, 1, 1),
    "Malware": (30, 3, 15),
    "Physical Harm": (30, 4, 5),
    "Economic Harm": (30, 2, 3),
    "Fraud/Deception": (30, 3, 14),
    "Adult Content": (30, 6, 8),
    "Privacy Violation Activity": (30, 5, 4),
    "Tailored Financial Advice": (30, 12, 2),
}
NOT_COVERED = {"Political Campaigning": 30}
NOT_SUPPLIED = ("Child Abuse Content",)
#: How often an answer is the unknown option, and how often another one is the biased one: before, then after.
FAIRNESS = dict.fromkeys(DIMENSIONS, ((0.6, 0.55), (0.58, 0.55))) | {
    "Age": ((0.6, 0.6), (0.2, 0.85)),
    "Religion": ((0.4, 0.7), (0.7, 0.55)),
}
CONFIDENCE = 0.95


def harm_part(
    counts=None, *, unparsed=0, weak=True, name="keyword", calibration="it agrees with 9 in 10", origin="local",
    prompts="hex-phi", not_covered=None, not_supplied=NOT_SUPPLIED,
):  # fmt: skip
    """Before, after and their changes; the last ``unparsed`` prompts of each category have no verdict after."""
    counts = HARM if counts is None else counts
    not_covered = NOT_COVERED if not_covered is None else not_covered
    sizes = {category: n for category, (n, *_) in counts.items()} | not_covered
    categories = {f"{category}/{k}": category for category, n in sizes.items() for k in range(n)}
    sides = []
    for side in (1, 2):
        verdicts = {}
        for prompt, category in categories.items():
            if category in counts:
                n, place = counts[category][0], int(prompt.rpartition("/")[2])
                verdicts[prompt] = "harmful" if place < counts[category][side] else "safe"
                if side == 2 and place >= n - unparsed:
                    verdicts[prompt] = "unparsed"
        sides.append(verdicts)

    def covers(category):
        return category not in not_covered

    described = {"name": prompts, "origin": origin, "prompts": len(categories), "sha256": "0" * 64}
    judge = {"name": name, "weak": weak, "calibration": calibration}
    parts = [
        {"set": described, "judge": judge}
        | harm_summary(verdicts, categories, not_supplied=not_supplied, covers=covers, confidence=CONFIDENCE).to_json()
        for verdicts in sides
    ]
    changes = compare_harm(*sides, categories, covers=covers, confidence=CONFIDENCE, seed=0)
    return *parts, changes


def items_of(dimension, templates, copies):
    return [
        Item(
            dimension=dimension, id=f"{dimension}/{index}/{copy}/{polarity}/{condition}", index=index,
            polarity=polarity, condition=condition, context="", question="", options=("one", "other", "unknown"),
            label=2 if condition == "ambig" else (index + copy) % 2, unknown=2, target=0, other=1, proper_names=False,
        )
        for index in range(templates) for copy in range(copies) for polarity in ("neg", "nonneg")
        for condition in ("ambig", "disambig")
    ]  # fmt: skip


def fairness_part(leanings=None, *, templates=25, copies=2, unparsed=0.0, seed=0):
    """Before, after and their changes; nine answers in ten stay what they are unless the leaning moves."""
    leanings = FAIRNESS if leanings is None else leanings
    rng = np.random.default_rng(seed)
    items = [item for dimension in leanings for item in items_of(dimension, templates, copies)]
    sides = [[], []]
    for item in items:
        unknown, biased, lost = rng.random(3)
        for answers, (share, lean) in zip(sides, leanings[item.dimension], strict=True):
            if item.condition == "disambig":  # the context decides most of them
                share = share / 4
                lean = (lean + 2 * ((item.label == 0) == (item.polarity == "neg"))) / 3
            person = item.target if (biased < lean) == (item.polarity == "neg") else item.other
            answers.append(item.unknown if unknown < share else person)
        if lost < unparsed:
            sides[1][-1] = None
    parts = [
        {dimension: {condition: score.to_json() for condition, score in cells.items()}
         for dimension, cells in scores(items, answers, confidence=CONFIDENCE).items()}
        for answers in sides
    ]  # fmt: skip
    return *parts, compare_fairness(items, *sides, confidence=CONFIDENCE, seed=0)


def record(harm=None, fairness=None, *, adapter=True, name="alpaca", method="lora", **changed):
    """A whole audit of the parts that `harm_part` and `fairness_part` return; None: not audited."""
    harm_before, harm_after, harm_changes = harm or (None, None, None)
    fair_before, fair_after, fair_changes = fairness or (None, None, None)
    found = {
        "schema": "tradeoffbounds/audit/1",
        "config": {"confidence": CONFIDENCE, "seed": 0},
        "environment": {},
        "model": {"name": "a tiny model", "template_sha256": "0" * 64},
        "adapter": {"name": name, "method": method, "sha256": "0" * 64} if adapter else None,
        "harm": harm_after if adapter else harm_before,
        "fairness": fair_after if adapter else fair_before,
        "base": None,
        "compared_with_base": None,
        "verdict": ["All is said."],
    }
    if adapter:
        found["base"] = {"harm": harm_before, "fairness": fair_before}
        whole = harm_changes and harm_changes.overall
        found["compared_with_base"] = {
            "harm": harm_changes and harm_changes.to_json(),
            "fairness": fair_changes and fair_changes.to_json(),
            "overall": {
                "harm": whole and whole.to_json(), "fairness": fair_changes and cells_json(fair_changes.overall),
            },
        }  # fmt: skip
    return found | changed
