"""What safety_layers.py writes down: observed and predicted numbers of every layer, and whether their orders agree."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.confidence import bootstrap_means, percentile_interval
from tradeoffbounds.comparison.summary import rank_correlation
from tradeoffbounds.curvature.layers import LayerDrift

_CONFIDENCE = 0.95
_SPLITS = 200
Array = np.ndarray
#: Losses of the held-out rows, by what was left of the adapter: "start", "1 whole", "1 only 3", "1 without 3".
Losses = dict[str, Array]


@dataclass(frozen=True)
class Prediction:
    """Slopes and curvatures of the safety gap along the step that was taken, on some rows."""

    slopes: Array
    interactions: Array

    def only(self, scale: float) -> Array:
        return scale * self.slopes + scale**2 / 2 * np.diagonal(self.interactions)

    def removed(self, scale: float) -> Array:
        beside = 2 * self.interactions.sum(axis=1) - np.diagonal(self.interactions)
        return scale * self.slopes + scale**2 / 2 * beside

    def shares(self, scale: float) -> Array:
        return scale * self.slopes + scale**2 / 2 * self.interactions.sum(axis=1)


def at_scale(
    scale: float, losses: Losses, predictions: dict[str, Prediction], forecast: LayerDrift, sizes: dict[str, Array]
) -> dict[str, Any]:
    """What was observed of every layer, what was predicted of it, and whether both put the layers into one order."""
    layers = forecast.layers
    whole = losses[f"{scale:g} whole"]
    gaps = {
        "only": np.stack([losses[f"{scale:g} only {layer}"] - losses["start"] for layer in range(layers)], axis=1),
        "removed": np.stack([whole - losses[f"{scale:g} without {layer}"] for layer in range(layers)], axis=1),
    }
    observed = {name: rows.mean(axis=0) for name, rows in gaps.items()}
    predicted = {
        kind: {f"second order, {rows}": getattr(each, kind)(scale) for rows, each in predictions.items()}
        | {f"first order, {rows}": scale * each.slopes for rows, each in predictions.items()}
        | {f"shares, {rows}": each.shares(scale) for rows, each in predictions.items()}
        | {
            "forecast, first order": forecast.slopes * scale * float(np.linalg.norm(sizes["step"])),
            "forecast, second order": forecast.shares(scale * float(np.linalg.norm(sizes["step"]))),
        }
        for kind in gaps
    }
    return {
        "scale": scale,
        "whole": {
            "observed": _mean(whole - losses["start"]).to_json(),
            "predicted": {name: float(each.shares(scale).sum()) for name, each in predictions.items()},
        },
        "observed": {name: [_mean(rows[:, layer]).to_json() for layer in range(layers)] for name, rows in gaps.items()},
        "predicted": {
            kind: {name: values.tolist() for name, values in by_name.items()} for kind, by_name in predicted.items()
        },
        "sizes": {name: values.tolist() for name, values in sizes.items()},
        "agreement_of_halves": {name: _agreement(rows) for name, rows in gaps.items()},
        "rank_correlation": {
            kind: {
                name: None if (each := _correlation(values, observed[kind])) is None else each.to_json()
                for name, values in (predicted[kind] | {f"size of the {size}": v for size, v in sizes.items()}).items()
            }
            for kind in gaps
        },
    }


def _mean(rows: Array) -> Bound:
    low, high = percentile_interval(bootstrap_means(rows[:, None], resamples=2000, seed=0), _CONFIDENCE)
    return Bound(
        float(rows.mean()), "measured", interval=(float(low[0]), float(high[0])), confidence=_CONFIDENCE,
        method=f"paired bootstrap over {len(rows)} held-out rows", assumptions=("iid",), theorem="safety gap",
    )  # fmt: skip


def _correlation(predicted: Array, observed: Array) -> Bound | None:
    return rank_correlation(list(zip(predicted.tolist(), observed.tolist(), strict=True)))


def _agreement(rows: Array) -> float:
    """Spearman's coefficient of the layers on both halves of the rows: no prediction can do much better."""
    rng, found = np.random.default_rng(0), []
    for _ in range(_SPLITS):
        order = rng.permutation(len(rows))
        halves = [rows[part].mean(axis=0) for part in np.array_split(order, 2)]
        found.append(float(stats.spearmanr(*halves).statistic))
    return float(np.nanmean(found)) if not all(map(math.isnan, found)) else 0.0


def rounded(record: dict[str, Any]) -> dict[str, Any]:
    """To six digits, which is more than any of these numbers is good for."""
    rounded: dict[str, Any] = json.loads(json.dumps(record), parse_float=lambda digits: float(f"{float(digits):.6g}"))
    return rounded
