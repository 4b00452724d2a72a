"""Which layers to freeze: most predicted drift for the least first-order gain, one layer after the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.confidence import expanded_level, percentile_interval
from tradeoffbounds.curvature.layers import LayerDrift

SHARE = "share"
RANK_CORRELATION = "rank correlation"
#: No further layer is frozen once less of the gain than this is left.
_LEAST_GAIN = 0.5


@dataclass(frozen=True)
class Frozen:
    """A step without its parts in some layers.

    Attributes:
        layers: counted from 0.
        gain: ‖∇_kept G_f‖² / ‖∇G_f‖², what is left of the first-order gain.
        slope: what is left of the drift's first order, nats/response.
        drift: what is left of the drift, nats/response.
        held_out: share of the drift that as many layers remove on one half of the rows when the other half chooses
            them; None where rows are too few, or there is no drift on halves.
    """

    layers: tuple[int, ...]
    gain: Bound
    slope: Bound
    drift: Bound
    held_out: Bound | None


def freezing(found: LayerDrift, distance: float, confidence: float) -> list[Frozen]:
    """A chain of ever more frozen layers, each the one that removes most drift for the gain that it gives up.

    Empty where the drift is not positive: there is nothing to remove. It ends where no layer removes any, where less
    than half of the gain would be left, or where nothing is left of the drift.
    """
    chain: list[Frozen] = []
    frozen: list[int] = []
    while found.drift(distance, frozen) > 0:
        removed = found.removed(distance, frozen)
        left = 1 - found.gains[frozen].sum() - found.gains
        able = (removed > 0) & (left >= _LEAST_GAIN)
        if not able.any():
            break
        worth = np.where(able, removed / np.maximum(found.gains, np.finfo(float).tiny), -np.inf)
        frozen.append(int(np.argmax(worth)))
        chain.append(without(found, distance, frozen, confidence))
    return chain


def without(found: LayerDrift, distance: float, frozen: Collection[int], confidence: float) -> Frozen:
    """What is left of gain and drift of a step this long with these layers frozen."""
    layers = sorted(frozen)
    kept = [layer for layer in range(found.layers) if layer not in frozen]
    drift, slope = found.drift(distance, layers), distance * float(found.slopes[kept].sum())
    resampled = None if found.noise is None else found.noise.resampled
    gain = Bound(
        float(found.gains[kept].sum()), "estimated", unit=SHARE, method="squared gradient of the layers that are left",
        assumptions=("rows",), theorem="first-order gain",
    )  # fmt: skip
    first, whole = (
        Bound(value, "predicted", assumptions=("rows",), theorem=f"theorem 3, drift descent{part}", method="exact")
        for value, part in ((slope, ", first order"), (drift, ""))
    )
    if resampled is not None:
        slopes = resampled.slopes[:, kept].sum(axis=1) * distance
        gain = _within(gain, resampled.gains[:, kept].sum(axis=1), found, confidence, "bootstrap of the rows")
        first = _within(first, slopes, found, confidence, "bootstrap of the rows")
        whole = _within(whole, slopes + drift - slope, found, confidence, "bootstrap of the rows, curvature held")
    return Frozen(tuple(layers), gain, first, whole, _held_out(found, distance, len(layers)))


def agreement(found: LayerDrift, distance: float) -> Bound | None:
    """Whether halves of the rows put the layers into the same order; None where they are too few."""
    if found.noise is None:
        return None
    return Bound(
        found.noise.agreement(distance), "estimated", unit=RANK_CORRELATION, assumptions=("iid",),
        method="Spearman's coefficient of the shares on two halves of the rows, mean over random splits",
        theorem="layers in the same order",
    )  # fmt: skip


def by_layer(values: np.ndarray, found: LayerDrift, name: str, confidence: float, bound: Bound) -> list[Bound]:
    """Each layer's number as ``bound`` is one, with its interval where rows could be resampled.

    Args:
        name: of the number in `Draws`.
    """
    plain = [replace(bound, value=float(value)) for value in values]
    if found.noise is None:
        return plain
    draws = getattr(found.noise.resampled, name)
    return [
        _within(each, draws[:, layer], found, confidence, "bootstrap of the rows") for layer, each in enumerate(plain)
    ]


def _held_out(found: LayerDrift, distance: float, count: int) -> Bound | None:
    if found.noise is None:
        return None
    whole, left = found.noise.held_out(distance, count)
    if whole <= 0:
        return None
    return Bound(
        1 - left / whole, "estimated", unit=SHARE, assumptions=("iid",), theorem="drift removed on other rows",
        method="layers chosen on one half of the rows, their shares on the other; means over random splits",
    )  # fmt: skip


def _within(bound: Bound, replicates: np.ndarray, found: LayerDrift, confidence: float, method: str) -> Bound:
    assert found.noise is not None
    low, high = percentile_interval(replicates, expanded_level(confidence, found.noise.units))
    interval = (min(float(low), bound.value), max(float(high), bound.value))
    return replace(
        bound, interval=interval, confidence=confidence, method=method, assumptions=(*bound.assumptions, "iid")
    )
