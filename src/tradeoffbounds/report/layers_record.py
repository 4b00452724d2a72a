"""Layers in ``estimate.json``: the key ``layers`` of each method of Case II, null where it was not asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, Bound
from tradeoffbounds.bounds.confidence import expanded_level, percentile_interval
from tradeoffbounds.curvature.case_two import AtRadius, CaseTwo
from tradeoffbounds.curvature.freezing import SHARE, Frozen, agreement, by_layer, freezing
from tradeoffbounds.curvature.layers import LayerDrift

Record = dict[str, Any]


def layers_record(result: CaseTwo, confidence: float) -> Record | None:
    """What every layer carries, layers counted from 0, and what freezing some leaves at each radius.

    ``missing`` says why a method has none; it is null where the rest is there.
    """
    if result.layers is None:
        return None
    if isinstance(result.layers, str):
        return {"missing": result.layers}
    return {
        "missing": None,
        "layers": _layers(result.layers, confidence),
        "radii": [_radius(result.layers, at, confidence) for at in result.radii],
    }


def _layers(found: LayerDrift, confidence: float) -> list[Record]:
    rows = ("rows",)
    share = Bound(0.0, "estimated", unit=SHARE, method="squared gradient of the layer", assumptions=rows)
    bend = Bound(0.0, "predicted", unit=PER_UNIT_SQUARED, assumptions=rows, theorem="curvature of the drift, by layer")
    columns: dict[str, Sequence[Bound | None]] = {
        "slope": by_layer(found.slopes, found, "slopes", confidence, _slope("slope of the drift in the layer")),
        "curvature": by_layer(found.curvatures, found, "curvatures", confidence, bend),
        "own_curvature": [
            Bound(float(value), "predicted", unit=PER_UNIT_SQUARED, assumptions=rows, theorem="diagonal block along d")
            for value in np.diagonal(found.interactions)
        ],
        "gain": by_layer(found.gains, found, "gains", confidence, share),
        "grad_norm_s": _norms(found.safety_norms),
        "grad_norm_f": _norms(found.capability_norms),
        "cosine": [_cosine(value) for value in found.cosines],
        "top_curvature": found.tops or [None] * found.layers,
    }  # fmt: skip
    return [
        {"layer": layer}
        | {name: None if (each := column[layer]) is None else each.to_json() for name, column in columns.items()}
        for layer in range(found.layers)
    ]


def _slope(theorem: str) -> Bound:
    return Bound(0.0, "predicted", unit=PER_UNIT, assumptions=("rows",), theorem=theorem)


def _norms(values: np.ndarray) -> list[Bound]:
    return [
        Bound(float(value), "measured", unit=PER_UNIT, assumptions=("rows",), theorem="gradient norm in the layer")
        for value in values
    ]


def _cosine(value: float) -> Bound | None:
    """None where a gradient is zero."""
    if np.isnan(value):
        return None
    return Bound(float(value), "measured", unit="cosine", assumptions=("rows",), theorem="between both gradients")


def _radius(found: LayerDrift, at: AtRadius, confidence: float) -> Record:
    agreed = agreement(found, at.radius)
    return {
        "radius": at.radius,
        "drift": None if (whole := at.drift["descent"]) is None else whole.to_json(),
        "shares": _shares(found, at.radius, confidence),
        "agreement": None if agreed is None else agreed.to_json(),
        "freezing": [_frozen(each) for each in freezing(found, at.radius, confidence)],
    }


def _shares(found: LayerDrift, radius: float, confidence: float) -> Record:
    """Predicted, by layer, as lists for figures; ``low`` and ``high`` are the ends of intervals, null where unknown."""
    shares = found.shares(radius)
    ends: Record = {"low": None, "high": None}
    if found.noise is not None:
        level = expanded_level(confidence, found.noise.units)
        low, high = percentile_interval(found.noise.resampled.shares(radius), level)
        ends = {"low": np.minimum(low, shares).tolist(), "high": np.maximum(high, shares).tolist()}
    return {"unit": "nats/response", "confidence": confidence, "value": shares.tolist(), **ends}


def _frozen(each: Frozen) -> Record:
    return {
        "layers": list(each.layers),
        "gain_kept": each.gain.to_json(),
        "first_order_drift": each.slope.to_json(),
        "drift": each.drift.to_json(),
        "removed_on_other_rows": None if each.held_out is None else each.held_out.to_json(),
    }
