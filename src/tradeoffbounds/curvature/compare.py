"""Adapter methods side by side: what each costs in safety for the same gain in capability.

A radius means something else for every method, so they are compared where their predicted gains along -g_f are
equal: half of the least of the largest gains that the quadratic models predict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.curvature.case_two import CaseTwo


@dataclass(frozen=True)
class MethodCost:
    """One method at the common gain.

    Attributes:
        distance: ‖θ - θ_s‖ of the step along -g_f that gains it; infinite where the model gains less.
        drift: what that step does to the safety gap, predicted.
        cost: offset and drift together.
    """

    method: str
    distance: float
    drift: Bound | None
    cost: Bound | None


@dataclass(frozen=True)
class Comparison:
    """All methods at one ``gain``, nats/response, the one that costs least first."""

    gain: float
    methods: list[MethodCost]


def compare(results: Sequence[CaseTwo]) -> Comparison:
    """Offset, and drift at equal gain."""
    steps = {each.method: each.directions["descent"] for each in results}
    largest = [step.largest_gain for step in steps.values() if step is not None]
    finite = [gain for gain in largest if math.isfinite(gain)]
    # Where no model has a largest gain, one nat a response.
    gain = min(finite) / 2 if finite else 1.0
    costs = []
    for each in results:
        step = steps[each.method]
        distance = math.inf if step is None else step.distance_for(gain)
        if step is None or not (math.isfinite(distance) and distance > 0):
            costs.append(MethodCost(each.method, distance, None, None))
            continue
        drift = step.drift(distance, "descent")
        costs.append(MethodCost(each.method, distance, drift, each.offset["safety_gap"] + drift))
    return Comparison(gain, sorted(costs, key=lambda cost: math.inf if cost.cost is None else cost.cost.value))
