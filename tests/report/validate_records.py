"""Fine-tunes by hand, in the shape of validate.json: gaps that are easy to reckon with, judged as the record is."""

import math
import statistics
from typing import get_args

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.tightness import Word, judge

from .records import bound

PROXIES = {"safety-tuned": 0.1, "alpaca": 0.8}
CAPABILITIES = {"gsm8k": 1.0, "code": 2.0}
PENALTIES, RADII = (0.1, 1.0, 10.0), (0.01, 0.1, 1.0)
#: What a method's safety gap is multiplied with.
METHODS = {"lora": 1.0, "ia3": 0.6, "prompt-tuning": 2.0, "p-tuning": 3.0}
QUANTITIES = {"theorem1": "safety_gap", "theorem2": "capability_gap", "theorem3": "safety_gap"}
START = {"safety_gap": 0.05, "capability_gap": 3.0}


def measured(value, half=0.05):
    """An observation; ``half`` None: exact, without an interval."""
    return bound(value, kind="measured", side="value", interval=None if half is None else [value - half, value + half])


def predicted(value):
    return bound(value, kind="predicted", side="value")


def quantity_of(name):
    theorem, _, _ = name.partition(".")
    return "capability_gap" if theorem == "capability" else QUANTITIES.get(theorem, "total")


def as_bound(quantity, side=None):
    value = math.inf if quantity.get("infinite") else quantity["value"]
    interval = quantity["interval"] and tuple(map(float, quantity["interval"]))
    return Bound(float(value), quantity["kind"], side=side or quantity["side"], interval=interval)


def judgement(name, limit, observed):
    """By the rule of every record; what is known without data is 50 from above and 0 from below."""
    side, trivial = ("lower", 0.0) if name.endswith(".lower") else ("upper", 50.0)
    return judge(as_bound(limit, side), as_bound(observed), Bound(trivial, "certified", side=side))


def run(
    proxy="safety-tuned", capability="gsm8k", method="lora", objective="sft", *, penalty=None, radius=None, seed=0,
    steps=40, gaps=(), bounds=None, predictions=None, signatures=(), half=0.05, total=True, alone=True, followed=True,
):  # fmt: skip
    """One fine-tune.

    Args:
        gaps: observed gaps that differ from those of `expected`.
        bounds, predictions: those that differ from the defaults; None takes one away.
        half: half the width of the observations' intervals, None for none.
        total: False: the total was not observed.
        alone: False: no single-source training beside it.
        followed: False: neither gradients nor distance were looked at along the training.
    """
    expected = gaps_of(proxy, capability, method, penalty, radius)
    if objective == "dpo":  # it moves both gaps less
        expected |= {name: (expected[name] + start) / 2 for name, start in START.items()}
    expected |= dict(gaps)
    observed = {name: measured(value, half) for name, value in expected.items()}
    observed["total"] = None
    if penalty is not None and total:
        observed["total"] = measured(expected["capability_gap"] + penalty * expected["proxy_gap"], half)
    observed |= {f"{name}_start": measured(value, half) for name, value in START.items()}
    observed["distance"] = measured(radius or 0.5, None) if followed else None
    limits = {
        name: limit
        for name, limit in (limits_of(expected, penalty, radius) | (bounds or {})).items()
        if limit is not None
    }
    guesses = {"safety_gap": 0.8, "proxy_gap": 0.7, "capability_gap": 0.9}
    known = {name: predicted(factor * expected[name]) for name, factor in guesses.items() if penalty is not None}
    if penalty is not None:
        known["total"] = predicted(known["capability_gap"]["value"] + penalty * known["proxy_gap"]["value"])
    if radius is not None:
        known["drift"] = predicted(0.5 * (expected["safety_gap"] - START["safety_gap"]))
    known = {name: each for name, each in (known | (predictions or {})).items() if each is not None}
    judgements = {
        name: judgement(name, limit, observed[quantity_of(name)])
        for name, limit in limits.items()
        if observed[quantity_of(name)] is not None
    }
    judged = {
        name: {
            "quantity": quantity_of(name), "word": each.word, "certain": each.certain,
            "tightness": each.tightness if math.isfinite(each.tightness) else None,
        }
        for name, each in judgements.items()
    }  # fmt: skip
    config = {
        "proxy": proxy, "capability": capability, "method": method, "objective": objective, "penalty": penalty,
        "radius": radius, "seed": seed, "steps": steps, "batch": 8, "learning_rate": None,
    }  # fmt: skip
    slack = None
    if observed["total"] is not None:
        whole = observed["total"]["value"]
        parts = {"total": 0.4 * whole, "information": 0.6 * whole, "apart": 0.1 * whole, "sharing": 0.3 * whole}
        slack = {name: predicted(value) for name, value in parts.items()} | {"sharing_predicted": predicted(0.2)}
        if not alone:
            slack |= dict.fromkeys(("apart", "sharing", "sharing_predicted"))
    preference = None
    if objective == "dpo":
        quantiles = {level: measured(value, None) for level, value in (("0.5", 0.1), ("0.9", 0.6), ("0.99", 1.4))}
        preference = {"expectation": measured(0.2), "quantiles": quantiles, "supremum": measured(1.5, None)}
        preference["beta"] = 0.1
    return {
        "id": f"{hash_of(config):016x}",
        "config": config,
        "observed": observed,
        "bounds": limits,
        "predicted": known,
        "judged": judged,
        "slack": slack,
        "path": None if not followed else {
            "step": [0, steps], "loss": [4.0, 3.0], "distance": [0.0, radius or 0.5], "gradient_norm": [2.0, 1.0],
            "safety_loss": [1.0, 1.2], "largest_gradient": bound(5.0, kind="measured", side="value"),
            "lipschitz": None if radius is None else bound(8.0, side="value"),
        },
        "preference": preference,
        "verdict": {name: each.sentence() for name, each in judgements.items()},
        "signatures": list(signatures),
    }  # fmt: skip


def hash_of(config):
    return sum(ord(letter) * 31**place for place, letter in enumerate(str(sorted(config.items())))) % 16**16


def gaps_of(proxy, capability, method, penalty, radius):
    """Safety falls with the penalty to what the proxy leaves, and rises with the radius; capability: the reverse."""
    floor, scale = PROXIES.get(proxy, 0.3), CAPABILITIES.get(capability, 1.0)
    free = 2.0 * scale * METHODS.get(method, 1.0)
    weight = 1.0 if penalty is None else 1 / (1 + 2 * penalty)
    reach = 1.0 if radius is None else radius / (1 + radius)
    safety = START["safety_gap"] + (floor if penalty is not None else 0.0) + free * weight * reach
    capability_gap = START["capability_gap"] - (START["capability_gap"] - 0.2 * scale) * (0.3 + 0.7 * weight) * reach
    return {"safety_gap": safety, "proxy_gap": 0.8 * free * weight * reach + 0.01, "capability_gap": capability_gap}


def limits_of(gaps, penalty, radius):
    found = {}
    if penalty is not None:
        total = gaps["capability_gap"] + penalty * gaps["proxy_gap"]
        found = {
            "theorem1.paper": bound(20 * gaps["safety_gap"]),
            "theorem1.refined": bound(3 * gaps["safety_gap"]),
            "theorem2.paper": bound(60.0),
            "theorem2.refined": bound(1.5 * gaps["capability_gap"]),
            "classifier_bound": bound(4 * total),
            "certificate.total": bound(8 * total, kind="certified"),
        }
    if radius is not None:
        found |= {
            "theorem3.paper": bound(START["safety_gap"] + 40 * radius),
            "theorem3.refined": bound(START["safety_gap"] + 4 * radius + 10 * radius**2),
            "capability.lower": bound(START["capability_gap"] - 5 * radius - 20 * radius**2, side="lower"),
            "capability.upper": bound(START["capability_gap"] - 0.1 * radius / (1 + radius)),
        }
    return found


def record(*runs, mode="dataset", stand_in=False, correlation=None, **changed):
    """A whole record of these runs; ``correlation`` (value, low, high) of every quantity, None: too few runs."""
    source = {"origin": "local", "rows": 400, "sha256": "0" * 64, "train": 240, "validation": 80, "test": 80}
    sources = {"alignment": source | {"name": "safety-tuned"}}
    for role in ("proxy", "capability"):
        for name in dict.fromkeys(each["config"][role] for each in runs):
            sources[f"{role}: {name}"] = source | {"name": name}
    if stand_in:
        sources["alignment"] |= {"name": "bundled:safety", "origin": "bundled", "stand_in_for": "orca"}
    zero = {"teacher": "the teacher's own distribution", "finite": "the table itself"}.get(mode)
    spearman = None
    if correlation is not None:
        value, *interval = correlation
        spearman = predicted(value) | {"unit": "correlation", "kind": "measured", "interval": interval}
    names = ("safety_gap", "proxy_gap", "capability_gap", "total", "drift")
    counts = {name: sum(name in each["predicted"] for each in runs) for name in names}
    return {
        "schema": "tradeoffbounds/validate/1",
        "config": {"confidence": 0.95},
        "environment": {},
        "mode": mode,
        "sources": sources,
        "start": {"model": "a tiny model", "trained": "sft", "steps": 100, "safety_gap": measured(0.05)},
        "references": {
            "safety_gap": zero or "difference of losses to the aligned start, whose gap counts as 0",
            "proxy_gap": zero or "the best adapter trained on the proxy alone",
            "capability_gap": zero or "the best adapter trained on the capability data alone",
        },
        "predictions": [],
        "curvature": [],
        "runs": list(runs),
        "summary": {
            "rank_correlation": {
                name: {"spearman": spearman, "runs": count, "configurations": count} for name, count in counts.items()
            },
            **summary(runs),
        },
        "verdict": ["All is said."],
    } | changed


def summary(runs):
    judged = {}
    for each in runs:
        for name, found in each["judged"].items():
            judged.setdefault(name, []).append(found)
    violations, tightness = {}, {}
    for name, found in judged.items():
        words = [each["word"] for each in found]
        certain = sum(each["word"] == "violated" and each["certain"] for each in found)
        violations[name] = {"violated": words.count("violated"), "certain": certain, "of": len(found)}
        ratios = [each["tightness"] for each in found if each["word"] != "violated" and each["tightness"] is not None]
        median = statistics.median(ratios) if ratios else None
        tightness[name] = {"median": median} | {word: words.count(word) for word in get_args(Word)}
    return {"violations": violations, "tightness": tightness}


def penalty_runs(**changed):
    """Two proxies on one capability, one proxy on two, and the unconstrained fine-tunes."""
    settings = [("safety-tuned", "gsm8k"), ("alpaca", "gsm8k"), ("safety-tuned", "code")]
    runs = [run(*setting, penalty=penalty, **changed) for setting in settings for penalty in PENALTIES]
    return [*runs, *(run(capability=capability, **changed) for capability in CAPABILITIES)]


def radius_runs(**changed):
    return [run(radius=radius, **changed) for radius in RADII]


def method_runs(**changed):
    return [run(method=method, objective=objective, **changed) for method in METHODS for objective in ("sft", "dpo")]


#: A Case I run of which no judged point can be on a logarithmic axis.
UNSHOWABLE = {
    "gaps": {"safety_gap": -0.2, "proxy_gap": -0.1, "capability_gap": -0.3},
    "bounds": {
        "theorem1.paper": bound(math.inf), "theorem1.refined": bound(0.0), "theorem2.paper": bound(math.inf),
        "theorem2.refined": bound(0.0), "classifier_bound": bound(0.1), "certificate.total": bound(0.2),
    },
}  # fmt: skip
#: A run of which one bound is violated, and one within the sampling interval.
VIOLATED = {
    "gaps": {"safety_gap": 2.0, "capability_gap": 1.2},
    "bounds": {"theorem1.refined": bound(1.2), "theorem2.refined": bound(1.18)},
}
