"""What a step from θ_s does to both gaps: along -g_f, and along the safest direction that still gains."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from tradeoffbounds.bounds import theorem3
from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, Bound
from tradeoffbounds.curvature.products import ChunkedLoss

Vector = Float[Array, " p"]
TOO_FAR = "vacuous: a loss below 0 is predicted, so the step is too long for a second-order model"


@dataclass(frozen=True)
class Direction:
    """Slopes and curvatures of both gaps along one unit vector d from θ_s; nats/response per unit (squared).

    Attributes:
        safety_slope, safety_curvature: ⟨∇G_s, d⟩ and ⟨d, ∇²G_s d⟩.
        gain_slope: -⟨∇G_f, d⟩, by how much the capability gap falls at first.
        capability_curvature: ⟨d, ∇²G_f d⟩.
    """

    safety_slope: float
    safety_curvature: float
    gain_slope: float
    capability_curvature: float

    def drift(self, distance: float, name: str, loss: float) -> Bound:
        """Predicted change of the safety gap after a step of this length, nats/response.

        Args:
            loss: the safety loss at θ_s. A fall by more than that is impossible: the step is then longer than the
                second order can tell, and the status says so.
        """
        slope = _predicted(self.safety_slope, PER_UNIT)
        curvature = _predicted(self.safety_curvature, PER_UNIT_SQUARED)
        found = theorem3.drift(slope, curvature, distance).named(f"theorem 3, drift {name}", "rows")
        return found if found.value >= -loss else replace(found, status=TOO_FAR)

    @property
    def largest_gain(self) -> float:
        """The most that the quadratic model gains along d, nats/response; infinite where it curves downwards."""
        if self.capability_curvature <= 0:
            return math.inf if self.gain_slope > 0 else 0.0
        return self.gain_slope**2 / (2 * self.capability_curvature)

    def gain_within(self, radius: float, loss: float) -> float:
        """The most that the quadratic model gains by a step of at most ``radius`` along d, nats/response.

        Args:
            loss: the capability loss at θ_s, which is all that there is to gain.
        """
        best = radius
        if self.capability_curvature > 0:
            best = min(radius, self.gain_slope / self.capability_curvature)
        return min(best * self.gain_slope - best**2 * self.capability_curvature / 2, loss)

    def distance_for(self, gain: float) -> float:
        """The smallest step whose predicted gain, t·slope - ½t²·curvature, is ``gain``; infinite where none is."""
        if gain > self.largest_gain:
            return math.inf
        if gain == 0:
            return 0.0
        # The root without a difference of nearly equal numbers; at the largest gain rounding may cross zero.
        root = math.sqrt(max(self.gain_slope**2 - 2 * self.capability_curvature * gain, 0.0))
        return 2 * gain / (self.gain_slope + root)


def along_descent(
    safety: ChunkedLoss,
    capability: ChunkedLoss,
    at: Vector,
    gradients: tuple[Vector, Vector],
    top: Float[Array, " m p"],
) -> dict[str, Direction | None]:
    """``descent``: d = -g_f/‖g_f‖; ``safest``: its part orthogonal to ∇G_s and to G_s's top curvature directions.

    Along the second the safety gap does not move to first order, nor by its largest curvatures to second.
    None where there is no such direction: g_f is zero, or nothing of it is left.

    Args:
        gradients: (∇G_s, ∇G_f) at ``at``.
        top: eigenvectors of ∇²G_s with the eigenvalues largest in size, as rows.
    """
    safety_gradient, capability_gradient = gradients
    size = float(jnp.linalg.norm(capability_gradient))
    if size == 0:
        return {"descent": None, "safest": None}
    avoided = jnp.concatenate([safety_gradient[None], top])
    # Rows of zeros (an identity adapter may have no gradient at all) span nothing; the SVD drops them.
    _, spread, span = jnp.linalg.svd(
        avoided / jnp.maximum(jnp.linalg.norm(avoided, axis=1, keepdims=True), 1e-30), full_matrices=False
    )
    span = span[spread > 1e-4]
    descent = -capability_gradient / size
    rest = descent
    for _ in range(2):  # twice is enough (Kahan): once leaves a rounding error of the part taken out
        rest = rest - (span @ rest) @ span
    left = float(jnp.linalg.norm(rest))
    directions = {"descent": descent} | ({"safest": rest / left} if left > 1e-4 else {})
    stacked = jnp.stack(list(directions.values()))
    bends = [loss.hvps(at, stacked) for loss in (safety, capability)]
    found: dict[str, Direction | None] = {"descent": None, "safest": None}
    for row, (name, direction) in enumerate(directions.items()):
        found[name] = Direction(
            safety_slope=float(safety_gradient @ direction),
            safety_curvature=float(direction @ bends[0][row]),
            gain_slope=-float(capability_gradient @ direction),
            capability_curvature=float(direction @ bends[1][row]),
        )
    return found


def _predicted(value: float, unit: str) -> Bound:
    return Bound(value, "predicted", unit=unit, assumptions=("rows",))
