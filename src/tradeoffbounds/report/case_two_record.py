"""Case II in ``estimate.json``: ``parameter_constraint``, ``other_methods`` and ``method_comparison``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, Bound
from tradeoffbounds.curvature.case_two import AtRadius, CaseTwo
from tradeoffbounds.curvature.compare import Comparison, compare
from tradeoffbounds.curvature.directions import Direction
from tradeoffbounds.curvature.methods import Methods
from tradeoffbounds.curvature.quadratic_model import Sharing
from tradeoffbounds.curvature.spectrum import Spectrum
from tradeoffbounds.models.prompt_init import CONCERNED
from tradeoffbounds.report.layers_record import layers_record

Record = dict[str, Any]
_CURVE_POINTS = 41


def case_two_record(methods: Methods) -> Record:
    """The parts of estimate.json that Case II fills; the first method stands in ``parameter_constraint``."""
    first, *others = (_method(each, methods) for each in methods.results)
    several = len(methods.results) > 1
    return {
        "parameter_constraint": first,
        "other_methods": others,
        "method_comparison": _comparison(compare(methods.results), methods) if several else None,
    }


def _method(result: CaseTwo, methods: Methods) -> Record:
    largest = result.radii[-1]
    norms = {"safety_gap": "s", "capability_gap": "f"}
    return {
        "peft": result.method,
        "parameters": result.parameters,
        "adapter": None if methods.settings.adapter is None else str(methods.settings.adapter),
        "prompt_init": None
        if methods.settings.adapter is not None or result.method != CONCERNED
        else methods.settings.prompt_init,
        "budget": methods.settings.curvature,
        "rows": result.rows,
        "max_tokens": methods.max_tokens,
        "truncated": methods.truncated,
        "device": methods.device,
        "dtype": methods.dtype,
        "offset": _bounds(result.offset),
        "loss": _bounds(result.losses),
        "constants": {
            **{name: _bounds(pair) for name, pair in largest.constants.items()},
            **{f"grad_norm_{norms[gap]}": pair["rows"].to_json() for gap, pair in result.gradient_norms.items()},
        },
        "gradient_norms_of_source": {
            f"grad_norm_{norms[gap]}": pair["source"].to_json() if "source" in pair else None
            for gap, pair in result.gradient_norms.items()
        },
        "spectra": {role: _spectrum(each) for role, each in result.spectra.items()},
        "directions": {name: _direction(each) for name, each in result.directions.items()},
        "radii": [_radius(each) for each in result.radii],
        "quadratic_model": {
            "dimensions": result.model.dimensions,
            "sharing_cost": _sharing(result.sharing),
        },
        "curves": _curves(result),
        "layers": layers_record(result, methods.settings.confidence),
    }


def _bounds(bounds: dict[str, Bound]) -> Record:
    return {name: bound.to_json() for name, bound in bounds.items()}


def _sharing(costs: list[Sharing]) -> list[Record]:
    return [
        {"penalty": each.penalty, "interference": each.interference.to_json(), "cost": each.cost.to_json()}
        for each in costs
    ]


def _radius(at: AtRadius) -> Record:
    drift = {name: None if bound is None else bound.to_json() for name, bound in at.drift.items()}
    return {
        "radius": at.radius,
        "constants": {name: _bounds(pair) for name, pair in at.constants.items()},
        "theorem3": _bounds(at.theorem3),
        "certified": _bounds(at.certified),
        "capability": _bounds(at.capability),
        "drift": drift["descent"],
        "safest_drift": drift["safest"],
        "sharing_cost": _sharing(at.sharing),
    }


def _spectrum(found: Spectrum) -> Record:
    ends = {"lowest": 0, "highest": -1}
    return {
        "steps": len(found.values),
        "converged": found.converged,
        **{
            name: Bound(
                float(found.values[at]), "measured", unit=PER_UNIT_SQUARED, assumptions=("rows",),
                interval=(float(found.values[at] - found.residuals[at]), float(found.values[at] + found.residuals[at])),
                method="Lanczos; some eigenvalue lies in the interval", theorem=f"{name} eigenvalue at the start",
            ).to_json()
            for name, at in ends.items()
        },
    }  # fmt: skip


def _direction(found: Direction | None) -> Record | None:
    if found is None:
        return None
    slopes = {"safety_slope": found.safety_slope, "gain_slope": found.gain_slope}
    curvatures = {
        "safety_curvature": found.safety_curvature,
        "capability_curvature": found.capability_curvature,
    }
    return {
        name: Bound(value, "measured", unit=unit, assumptions=("rows",), method="exact derivative").to_json()
        for unit, values in ((PER_UNIT, slopes), (PER_UNIT_SQUARED, curvatures))
        for name, value in values.items()
    }


def _curves(result: CaseTwo) -> Record:
    """Predicted drifts and gain on a grid of radii, for the figure; null where the step is too long to predict."""
    radii = np.geomspace(result.radii[0].radius / 2, result.radii[-1].radius, _CURVE_POINTS)

    def quadratic(slope: float, curvature: float, low: float, high: float) -> list[float | None]:
        return [float(v) if low <= v <= high else None for v in radii * slope + radii**2 * curvature / 2]

    safety, capability = (result.losses[gap].value for gap in ("safety_gap", "capability_gap"))
    curves: Record = {"unit": "nats/response", "radii": [float(radius) for radius in radii]}
    for name, found in result.directions.items():
        if found is not None:
            curves[name] = {
                "drift": quadratic(found.safety_slope, found.safety_curvature, -safety, math.inf),
                "gain": quadratic(found.gain_slope, -found.capability_curvature, -math.inf, capability),
            }
    return curves


def _comparison(comparison: Comparison, methods: Methods) -> Record:
    by_name = {each.method: each for each in methods.results}
    return {
        "gain": None
        if comparison.gain is None
        else Bound(comparison.gain, "predicted", method="half of what the method that gains least can gain").to_json(),
        "methods": [
            {
                "peft": each.method,
                "parameters": by_name[each.method].parameters,
                "distance": each.distance,
                "reach": Bound(each.reach, "predicted", assumptions=("aligned-reference", "rows")).to_json(),
                "offset": by_name[each.method].offset["safety_gap"].to_json(),
                "capability_offset": by_name[each.method].offset["capability_gap"].to_json(),
                "L_s": by_name[each.method].radii[-1].constants["L_s"]["estimate"].to_json(),
                "S_s": by_name[each.method].radii[-1].constants["S_s"]["estimate"].to_json(),
                "drift": None if each.drift is None else each.drift.to_json(),
                "cost": None if each.cost is None else each.cost.to_json(),
            }
            for each in comparison.methods
        ],
    }
