"""What figures, tables and sentences of Case II read out of the record together, so that they cannot disagree."""

from __future__ import annotations

import math
from typing import Any, Literal

from tradeoffbounds.bounds.bound import weakest
from tradeoffbounds.report.quantities import number

Record = dict[str, Any]

#: The two families whose cost arXiv:2511.00382 compares.
ADAPTERS, PROMPTS = ("lora", "ia3"), ("prompt-tuning", "p-tuning")
WITHIN_INTERVALS = ", but within the sampling intervals of their starts"


def methods_of(record: Record) -> list[Record]:
    """Case II of every method, the first in ``parameter_constraint`` first; empty where it was not asked for."""
    first = record.get("parameter_constraint")
    return [] if first is None else [first, *record.get("other_methods", [])]


def gains(method: Record, at: Record) -> dict[str, Record]:
    """What the best point of the ball gains over the adapter's start: ``at_least`` and ``at_most``, nats/response."""
    start = method["offset"]["capability_gap"]

    def gain(gap: Record, side: str) -> Record:
        value = number(start) - number(gap)
        return gap | {
            "value": value if math.isfinite(value) else None,
            "side": side,
            "interval": None,
            "kind": weakest(start["kind"], gap["kind"]),
            **({} if math.isfinite(value) else {"infinite": True}),
        }

    return {
        "at_least": gain(at["capability"]["upper"], "lower"),
        "at_most": gain(at["capability"]["lower"], "upper"),
    }


def rises_until(method: Record) -> Record | None:
    """The largest radius with a finite refined bound where more is gained, at least, than in any smaller ball.

    Beyond it a larger ball buys no gain that these constants can promise. None where no gain is promised at all.
    """
    found, most = None, 0.0
    for at in method["radii"]:
        gain = number(gains(method, at)["at_least"])
        if math.isfinite(number(at["theorem3"]["refined"])) and gain > most:
            found, most = at, gain
    return found


def reference_radius(method: Record) -> Record:
    """The radius about which sentences and titles speak: `rises_until`, else the smallest."""
    at: Record = rises_until(method) or method["radii"][0]
    return at


def terms(method: Record, at: Record) -> dict[str, float]:
    """The summands of the refined bound, nats/response: ``start``, ``gradient`` and ``curvature``."""
    radius = at["radius"]
    return {
        "start": number(method["offset"]["safety_gap"]),
        "gradient": number(method["constants"]["grad_norm_s"]) * radius,
        "curvature": number(at["constants"]["S_s"]["estimate"]) * radius**2 / 2,
    }


def with_lower_constants(method: Record, at: Record) -> dict[str, float]:
    """Theorem 3's formulas at the largest values found: no bound, but where the bounds cannot fall below."""
    radius = at["radius"]
    parts = terms(method, at)
    return {
        "paper": parts["start"] + number(at["constants"]["L_s"]["lower"]) * radius,
        "refined": parts["start"] + parts["gradient"] + number(at["constants"]["S_s"]["lower"]) * radius**2 / 2,
    }


def uncertainty(constant: Record) -> float:
    """How many times its largest value found a constant is estimated at; infinite where that is 0 or unknown."""
    lower, estimate = (number(constant[name]) for name in ("lower", "estimate"))
    return estimate / lower if lower > 0 else 1.0 if estimate == 0 else math.inf


def predicted_gain(method: Record, direction: Literal["descent", "safest"], radius: float) -> float:
    """What a step of this length in a direction that there is is predicted to gain, nats/response."""
    found = method["directions"][direction]
    return radius * number(found["gain_slope"]) - radius**2 / 2 * number(found["capability_curvature"])


def too_far(quantity: Record) -> bool:
    """Whether a prediction is impossible (a loss below 0): its step is too long for a second-order model."""
    return bool(quantity.get("status", "ok").startswith("vacuous"))


def comparable(comparison: Record) -> list[Record]:
    """The methods whose cost at the common gain is known, the one that costs least first."""
    return sorted((each for each in comparison["methods"] if each["cost"]), key=lambda each: number(each["cost"]))


def families(comparison: Record) -> str | None:
    """Which of the two families is predicted to cost less, in words; None where one of them is missing."""
    known = comparable(comparison)
    adapters, prompts = ([each for each in known if each["peft"] in family] for family in (ADAPTERS, PROMPTS))
    if not (adapters and prompts):
        return None

    def named(kind: str, group: list[Record]) -> str:
        return f"{kind} ({', '.join(each['peft'] for each in group)})"

    sides = (named("adapters", adapters), adapters), (named("prompt methods", prompts), prompts)
    for (name, group), (other_name, others) in (sides, sides[::-1]):
        if max(number(each["cost"]) for each in group) < min(number(each["cost"]) for each in others):
            apart = max(_ends(each)[1] for each in group) < min(_ends(each)[0] for each in others)
            return f"{name} cost less than {other_name}{'' if apart else WITHIN_INTERVALS}"
    return f"neither {sides[0][0]} nor {sides[1][0]} cost less throughout"


def _ends(method: Record) -> tuple[float, float]:
    cost = method["cost"]
    low, high = cost["interval"] or (cost["value"], cost["value"])
    return (-math.inf if low is None else low), (math.inf if high is None else high)
