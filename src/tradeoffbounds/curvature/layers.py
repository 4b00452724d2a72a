"""Which decoder layers carry the predicted safety drift of a step along -∇G_f, and what freezing some of them leaves.

A step t·d moves the safety gap by t⟨∇G_s, d⟩ + ½t²⟨d, H_s d⟩ up to the third order. Give the part of d in layer ℓ a
scale φ_ℓ of its own, and both terms are those of a loss with one parameter a layer: its gradient holds the slopes
⟨∇_ℓ G_s, d_ℓ⟩, its Hessian the interactions C_ℓm = d_ℓᵀ H_ℓm d_m. Rows of C sum to d_ℓᵀ(H_s d)_ℓ: if two layers halve
the curvature between them, shares add up to the whole drift. A step with some layers frozen has scales of 0 there, and
needs no further product.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from tradeoffbounds.bounds.bound import PER_UNIT_SQUARED, Bound
from tradeoffbounds.curvature.blocks import Blocks
from tradeoffbounds.curvature.layer_noise import Noise, noise
from tradeoffbounds.curvature.products import ChunkedLoss, Rows
from tradeoffbounds.curvature.spectrum import spectrum
from tradeoffbounds.curvature.start import Start

Vector = Float[Array, " p"]
ByLayer = Float[np.ndarray, " l"]
NO_STEP = "the capability gradient is zero on these rows, so there is no step whose drift could be shared out"


def no_layers(method: str) -> str:
    """Why the parameters of this method cannot be split by layer."""
    what = "an output head behind the last layer" if method == "output-head" else "virtual tokens before the first one"
    return f"{method} trains {what}: none of its parameters belongs to a layer"


@dataclass(frozen=True)
class LayerDrift:
    """The drift along the unit vector d = -∇G_f/‖∇G_f‖, by layer; nats/response per unit (squared).

    Attributes:
        slopes: ⟨∇_ℓ G_s, d_ℓ⟩.
        interactions: C_ℓm = d_ℓᵀ H_ℓm d_m of the safety loss.
        gains: ‖∇_ℓ G_f‖² / ‖∇G_f‖², each layer's part of the first-order gain.
        safety_norms, capability_norms: ‖∇_ℓ G‖.
        cosines: between both gradients in the layer; NaN where one of them is zero.
        tops: the curvature of ∇²_ℓℓ G_s largest in size, where it was asked for.
        noise: the same numbers on resampled rows; None where they are too few, or have no room.
    """

    slopes: ByLayer
    interactions: Float[np.ndarray, " l l"]
    gains: ByLayer
    safety_norms: ByLayer
    capability_norms: ByLayer
    cosines: ByLayer
    tops: list[Bound] | None
    noise: Noise | None

    @property
    def layers(self) -> int:
        """How many there are."""
        return len(self.slopes)

    @property
    def curvatures(self) -> ByLayer:
        """d_ℓᵀ(H_s d)_ℓ: the layer's own curvature, and half of twice what it shares with each other one."""
        return np.asarray(self.interactions.sum(axis=1))

    def shares(self, distance: float) -> ByLayer:
        """What each layer carries of the drift of a step this long, nats/response; they add up to it."""
        return distance * self.slopes + distance**2 / 2 * self.curvatures

    def drift(self, distance: float, frozen: Collection[int] = ()) -> float:
        """Of the step without its parts in the frozen layers, nats/response."""
        kept = self._kept(frozen)
        return float(distance * self.slopes[kept].sum() + distance**2 / 2 * self.interactions[np.ix_(kept, kept)].sum())

    def removed(self, distance: float, frozen: Collection[int] = ()) -> ByLayer:
        """By how much freezing one more layer lowers the drift, nats/response; 0 for a layer that is frozen."""
        kept = self._kept(frozen)
        beside = 2 * self.interactions[:, kept].sum(axis=1) - np.diagonal(self.interactions)
        found = distance * self.slopes + distance**2 / 2 * beside
        found[sorted(frozen)] = 0.0
        return np.asarray(found)

    def _kept(self, frozen: Collection[int]) -> list[int]:
        return [layer for layer in range(self.layers) if layer not in frozen]


def layer_drift(
    safety: ChunkedLoss,
    at: Vector,
    blocks: Blocks,
    starts: tuple[Start, Start],
    *,
    seed: int,
    lanczos: int = 0,
    progress: Callable[[str], None] = lambda step: None,
) -> LayerDrift | None:
    """The drift along -∇G_f by layer, from as many Hessian-vector products as there are layers.

    Args:
        starts: of the safety and the capability loss at ``at``.
        lanczos: steps for each layer's top curvature; 0: not asked for.
        progress: told what is being done.

    Returns:
        None where the capability gradient is zero.
    """
    gradients = tuple(start.gradient for start in starts)
    size = float(jnp.linalg.norm(gradients[1]))
    if size == 0:
        return None
    progress("curvature between layers")
    direction = -gradients[1] / size
    found = interactions(safety, at, direction, blocks)
    norms = [np.sqrt(blocks.sums(jnp.square(gradient))) for gradient in gradients]
    inner = blocks.sums(gradients[0] * gradients[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = np.where(norms[0] * norms[1] > 0, inner / (norms[0] * norms[1]), np.nan)
    if lanczos:
        progress("top curvature of each layer")
    squares = norms[1] ** 2
    return LayerDrift(
        slopes=-inner / size,
        interactions=found,
        gains=squares / squares.sum(),
        safety_norms=norms[0],
        capability_norms=norms[1],
        cosines=cosines,
        tops=_tops(safety, at, gradients[0], blocks, lanczos) if lanczos else None,
        noise=noise(safety, at, blocks.sums, _bent(safety.rows, blocks), starts, blocks.layers, seed, progress),
    )


def interactions(loss: ChunkedLoss, at: Vector, step: Vector, blocks: Blocks) -> Float[np.ndarray, " l l"]:
    """step_ℓᵀ H_ℓm step_m for all pairs of layers: the Hessian in one scale a layer."""
    scaled = replace(loss, rows=_scaled(loss.rows, blocks), frozen=(loss.frozen, at, step))
    found = np.asarray(scaled.hvps(jnp.zeros(blocks.layers, at.dtype), jnp.eye(blocks.layers, dtype=at.dtype)))
    return np.asarray((found + found.T) / 2, np.float64)  # products of single precision are symmetric but for rounding


@lru_cache(maxsize=4)  # a program belongs to its function: the same one, and nothing is compiled again
def _scaled(rows: Rows, blocks: Blocks) -> Rows:
    """The loss at ``at`` plus a step, the scale of whose part in each layer is the parameter."""

    def at_scales(scales: Array, frozen: Any, chunk: Any) -> Array:
        weights, at, step = frozen
        return rows(at + blocks.expand(scales) * step, weights, chunk)

    return at_scales


@lru_cache(maxsize=4)
def _bent(rows: Rows, blocks: Blocks) -> Rows:
    """The loss's slope along ``tangent``, at scales of ``tests`` by test and layer.

    Its gradient at 0 holds test_ℓᵀ(H tangent)_ℓ, for every row alone where rows are differentiated alone.
    """

    def slope(scales: Array, frozen: Any, chunk: Any) -> Array:
        weights, at, tests, tangent = frozen
        moved = at + (blocks.expand(scales.reshape(len(tests), -1)) * tests).sum(axis=0)
        found: Array = jax.jvp(lambda theta: rows(theta, weights, chunk), (moved,), (tangent,))[1]
        return found

    return slope


@lru_cache(maxsize=4)
def _inside(rows: Rows) -> Rows:
    """The loss as a function of the entries under a mask, the others being held."""

    def masked(theta: Array, frozen: Any, chunk: Any) -> Array:
        weights, mask = frozen
        still = jax.lax.stop_gradient(theta)
        return rows(still + mask * (theta - still), weights, chunk)

    return masked


def _tops(safety: ChunkedLoss, at: Vector, gradient: Vector, blocks: Blocks, steps: int) -> list[Bound]:
    """Lanczos on each diagonal block, from the gradient in that layer."""
    found = []
    for layer in range(blocks.layers):
        mask = blocks.expand(jnp.zeros(blocks.layers, at.dtype).at[layer].set(1.0))
        start = jnp.where(jnp.any(mask * gradient != 0), mask * gradient, mask)
        block = spectrum(replace(safety, rows=_inside(safety.rows), frozen=(safety.frozen, mask)), at, start, steps)
        end = int(np.argmax(np.abs(block.values)))
        value, residual = float(block.values[end]), float(block.residuals[end])
        found.append(
            Bound(
                value, "measured", unit=PER_UNIT_SQUARED, interval=(value - residual, value + residual),
                method="Lanczos; some eigenvalue lies in the interval", assumptions=("rows",),
                theorem="eigenvalue of the layer's diagonal block, the largest in size that was found",
            )
        )  # fmt: skip
    return found
