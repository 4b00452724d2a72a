"""Adapter methods side by side: what each costs in safety for the same gain in capability.

A radius means something else for every method, so they are compared where they have gained the same against the
aligned model, by their quadratic models along -g_f: half of what the one that gains least can gain in the largest
ball. A method that starts behind (virtual tokens) has to make up for that first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.curvature.case_two import CaseTwo


@dataclass(frozen=True)
class MethodCost:
    """One method at the common gain.

    Attributes:
        reach: the most that it gains against the aligned model in the largest ball, nats/response; below 0 where it
            does not make up for its start.
        distance: ‖θ - θ_s‖ of the step along -g_f that gains as much as the others; None where there is none.
        drift: what that step does to the safety gap, predicted.
        cost: offset and drift together.
    """

    method: str
    reach: float
    distance: float | None
    drift: Bound | None
    cost: Bound | None


@dataclass(frozen=True)
class Comparison:
    """All methods at one ``gain`` (None: none of them gains), nats/response, the one that costs least first."""

    gain: float | None
    methods: list[MethodCost]


def compare(results: Sequence[CaseTwo]) -> Comparison:
    """Offset, and drift at equal gain against the aligned model."""
    reaches = [_reach(each) for each in results]
    able = [reach for reach in reaches if reach > 0]
    gain = min(able) / 2 if able else None
    costs = [_cost(each, reach, gain) for each, reach in zip(results, reaches, strict=True)]
    return Comparison(gain, sorted(costs, key=lambda cost: (cost.cost is None, cost.cost.value if cost.cost else 0.0)))


def _reach(result: CaseTwo) -> float:
    step = result.directions["descent"]
    gained = 0.0 if step is None else step.gain_within(result.radii[-1].radius, result.losses["capability_gap"].value)
    return gained - result.offset["capability_gap"].value


def _cost(result: CaseTwo, reach: float, gain: float | None) -> MethodCost:
    step, offset = result.directions["descent"], result.offset["safety_gap"]
    if gain is None or reach < gain:
        return MethodCost(result.method, reach, None, None, None)
    needed = gain + result.offset["capability_gap"].value
    if needed <= 0 or step is None:  # it starts ahead by as much
        return MethodCost(result.method, reach, 0.0, None, offset)
    distance = step.distance_for(needed)
    drift = step.drift(distance, "descent", result.losses["safety_gap"].value)
    return MethodCost(result.method, reach, distance, drift, offset + drift)
