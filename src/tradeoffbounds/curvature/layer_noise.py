"""How far what is said of layers is the rows' doing: shares of the drift on resampled rows, and on halves of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from scipy import stats

from tradeoffbounds.curvature.products import ChunkedLoss, Rows
from tradeoffbounds.curvature.start import Start

#: Capability rows are resampled in at most so many groups, since each costs a product.
_GROUPS = 8
_RESAMPLES = 1000
_SPLITS = 100
#: Halves of fewer rows than two are no halves.
_FEWEST = 4

Array64 = np.ndarray


@dataclass(frozen=True)
class Draws:
    """Slopes, curvatures and gains by layer, each (draws, layers), on several draws of rows; see `LayerDrift`."""

    slopes: Float[np.ndarray, " d l"]
    curvatures: Float[np.ndarray, " d l"]
    gains: Float[np.ndarray, " d l"]

    def shares(self, distance: float) -> Float[np.ndarray, " d l"]:
        """What each layer carries of the drift of a step this long, nats/response."""
        return self.slopes * distance + self.curvatures * (distance**2 / 2)


@dataclass(frozen=True)
class Noise:
    """Layers on other rows.

    Attributes:
        resampled: rows of both sources drawn anew, with replacement: a bootstrap.
        halves: random halves of the rows of both sources, and the halves that are left; no row is in both.
        units: how many rows, or groups of rows, were resampled: the fewer of both sources.
    """

    resampled: Draws
    halves: tuple[Draws, Draws]
    units: int

    def agreement(self, distance: float) -> float:
        """Spearman's rank correlation of the shares on both halves, the mean over random splits."""
        first, second = (stats.rankdata(half.shares(distance), axis=1) for half in self.halves)
        return float(np.mean([_correlation(*pair) for pair in zip(first, second, strict=True)]))

    def held_out(self, distance: float, count: int) -> tuple[float, float]:
        """The drift on one half of the rows, whole and without layers that the other half chose, nats/response.

        Means over random splits. Chosen are at most ``count`` layers: those that carry most drift for the gain that
        they give up, if they carry any. What they carry is their share of the drift.
        """
        whole, removed = [], []
        for choosing, looking in (self.halves, self.halves[::-1]):
            worth = choosing.shares(distance) / np.maximum(choosing.gains, np.finfo(float).tiny)
            rank = (-worth).argsort(axis=1).argsort(axis=1)
            shares = looking.shares(distance)
            whole.append(shares.sum(axis=1))
            removed.append(np.where((rank < count) & (worth > 0), shares, 0.0).sum(axis=1))
        return float(np.mean(whole)), float(np.mean(whole) - np.mean(removed))


def noise(
    safety: ChunkedLoss,
    at: Array,
    sums: Callable[[Any], Array64],
    bent: Rows,
    starts: tuple[Start, Start],
    layers: int,
    seed: int,
    progress: Callable[[str], None] = lambda step: None,
) -> Noise | None:
    """Slopes, curvatures and gains by layer for any weights of the rows.

    All of them are forms in the rows' gradients and Hessians, which are computed once. Where a is the weight of the
    safety rows and b that of groups of capability rows with gradients v_j: the slope is -Σ a_i b_j ⟨g_i, v_j⟩ / ‖Σ b v‖
    and the curvature Σ a_i b_j b_k ⟨v_k, H_i v_j⟩ / ‖Σ b v‖², in each layer.

    Args:
        sums: over each layer's parameters.
        bent: of scales by group and layer, see `layers`; differentiated row by row.

    Returns:
        None where a source has fewer than 4 rows, or the gradients of single rows have no room.
    """
    (safety_start, capability_start), rows = starts, starts[0].rows
    if safety_start.of_rows is None or capability_start.of_rows is None:
        return None
    if min(rows, capability_start.rows) < _FEWEST:
        return None
    progress("sampling noise of the layers")
    parts = np.array_split(np.arange(capability_start.rows), min(_GROUPS, capability_start.rows))
    groups = jnp.stack(
        [capability_start.of_rows[part].sum(axis=0) * (len(parts) / capability_start.rows) for part in parts]
    )
    zero = jnp.zeros(len(groups) * layers, at.dtype)
    counted = np.flatnonzero(np.asarray(safety.row_losses(at)))  # rows that only fill up a chunk weigh nothing

    def bends(tangent: Array) -> Array64:
        curved = replace(safety, rows=bent, frozen=(safety.frozen, at, groups, tangent))
        found = np.asarray(curved.row_gradients(zero), np.float64)[counted] * rows
        return found.reshape(rows, len(groups), layers)

    forms = _Forms(
        first=np.stack([sums(safety_start.of_rows * group) for group in groups], axis=1),
        second=np.stack([bends(group) for group in groups], axis=1),
        gram=np.stack([sums(groups * group) for group in groups]),
    )
    rng = np.random.default_rng(seed)
    sizes = (rows, len(groups))
    resampled = forms.draws(*(rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n for n in sizes))
    halves = [np.stack([_half(rng, n) for _ in range(_SPLITS)]) for n in sizes]
    first, second = (
        forms.draws(*(half / half.sum(axis=1, keepdims=True) for half in chosen))
        for chosen in (halves, [~half for half in halves])
    )
    return Noise(resampled, (first, second), min(sizes))


@dataclass(frozen=True)
class _Forms:
    """⟨g_i, v_j⟩, ⟨v_k, H_i v_j⟩ and ⟨v_j, v_k⟩ in each layer, the last axis."""

    first: Float[np.ndarray, " n g l"]
    second: Float[np.ndarray, " n g g l"]
    gram: Float[np.ndarray, " g g l"]

    def draws(self, of_safety: Float[np.ndarray, " d n"], of_capability: Float[np.ndarray, " d g"]) -> Draws:
        """For weights of the safety rows and of the capability groups, each adding up to 1."""
        pairs = of_capability[:, :, None] * of_capability[:, None, :]
        squares = np.einsum("djk,jkl->dl", pairs, self.gram, optimize=True)
        size = np.sqrt(squares.sum(axis=1, keepdims=True))
        first = np.einsum("di,dj,ijl->dl", of_safety, of_capability, self.first, optimize=True)
        second = np.einsum("di,djk,ijkl->dl", of_safety, pairs, self.second, optimize=True)
        return Draws(-first / size, second / size**2, squares / size**2)


def _half(rng: np.random.Generator, n: int) -> Array64:
    chosen = np.zeros(n, bool)
    chosen[rng.permutation(n)[: n // 2]] = True
    return chosen


def _correlation(first: Array64, second: Array64) -> float:
    """Of ranks; 0 where one side is constant, which orders nothing."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
