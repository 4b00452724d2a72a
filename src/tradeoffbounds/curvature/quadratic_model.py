"""The reduced quadratic model: what sharing parameters costs, predicted from Hessian-vector products alone.

On the subspace of the gradients of both losses and their Krylov vectors under both Hessians, each loss is
replaced by its second-order model at θ_s, m(z) = bᵀz + ½ zᵀBz. Trained together at penalty λ the two lose

    interference(λ) = min_z [m_f + λ m_s] - min_z m_f - λ min_z m_s  >=  0

against being trained apart. Part of that is the information cost of section 4, which no parametrisation avoids;
what is left predicts δ + κ, the cost of sharing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from scipy.optimize import brentq

from tradeoffbounds.bounds.bound import Bound, Side
from tradeoffbounds.curvature.products import ChunkedLoss
from tradeoffbounds.curvature.spectrum import Spectrum

Matrix = Float[np.ndarray, " k k"]
Coordinates = Float[np.ndarray, " k"]
#: Directions of the joint frame shorter than this, relative to the longest, are rounding.
_RANK = 1e-4
TOO_LARGE = "vacuous: more is predicted than both losses, so the ball is too large for a second-order model"
UNBOUNDED = "vacuous: a model curves downwards, so it has no minimum without a ball"
#: Curvatures and slopes smaller than this, relative to the largest, are rounding.
_FLAT = 1e-5


@dataclass(frozen=True)
class Quadratic:
    """m(z) = slope·z + ½ z·curvature·z in orthonormal coordinates of the subspace, nats/response."""

    slope: Coordinates
    curvature: Matrix

    def plus(self, other: Quadratic, weight: float) -> Quadratic:
        """m + weight · other."""
        return Quadratic(self.slope + weight * other.slope, self.curvature + weight * other.curvature)

    def minimum(self, radius: float = math.inf) -> float:
        """min m(z) over ‖z‖ <= radius; -inf where the model is not bounded below."""
        values, vectors = np.linalg.eigh(self.curvature)
        slope = vectors.T @ self.slope
        if math.isinf(radius):
            # A flat direction without slope neither gains nor loses; both are zero only up to rounding.
            flat = np.abs(values) <= _FLAT * np.abs(values).max()
            flat &= np.abs(slope) <= _FLAT * np.linalg.norm(slope)
            if (values[~flat] <= 0).any():
                return -math.inf
            return float(-0.5 * (slope[~flat] ** 2 / values[~flat]).sum())
        if values[0] > 0:
            step = -slope / values
            if np.linalg.norm(step) <= radius:
                return float(0.5 * slope @ step)
        return _on_sphere(values, slope, radius)


def _on_sphere(values: Coordinates, slope: Coordinates, radius: float) -> float:
    """The minimum where the ball binds (Moré and Sorensen 1983): (B + νI) z = -b with ‖z‖ = radius, ν >= -λ_min."""
    lowest = max(0.0, -float(values[0]))
    # ν is measured from -λ_min, which it may come as near to as no digits would tell.
    gaps = values + lowest

    def excess(shift: float) -> float:
        return float(np.linalg.norm(slope / (gaps + shift))) - radius

    size = float(np.linalg.norm(slope))
    highest = size / radius  # ‖b‖ = ‖(B + νI) z‖ bounds ν from above
    low = 1e-15 * max(highest, float(np.abs(values).max()), 1e-300)
    if size > 0 and excess(low) > 0:
        shift = brentq(excess, low, max(highest, low) * (1 + 1e-9), xtol=1e-300, rtol=1e-14)
        step = -slope / (gaps + shift)
    else:
        # The hard case: no slope along the lowest curvature, so the step is filled up along it.
        step = -slope / (gaps + low)
        step[0] = math.copysign(math.sqrt(max(radius**2 - float(step[1:] @ step[1:]), 0.0)), -slope[0])
    return float(slope @ step + 0.5 * (values * step) @ step)


@dataclass(frozen=True)
class QuadraticModel:
    """Both losses on the common Krylov subspace."""

    capability: Quadratic
    proxy: Quadratic

    @property
    def dimensions(self) -> int:
        """Of the subspace."""
        return len(self.capability.slope)

    def interference(self, penalty: float, radius: float = math.inf) -> float:
        """What training together costs beyond training apart, nats/response; NaN where a model is not bounded below."""
        apart = self.capability.minimum(radius) + penalty * self.proxy.minimum(radius)
        together = self.capability.plus(self.proxy, penalty).minimum(radius)
        return max(together - apart, 0.0) if math.isfinite(apart) and math.isfinite(together) else math.nan


def quadratic_model(
    capability: ChunkedLoss, proxy: ChunkedLoss, at: Float[Array, " p"],
    gradients: tuple[Float[Array, " p"], Float[Array, " p"]], spectra: tuple[Spectrum, Spectrum],
) -> QuadraticModel:  # fmt: skip
    """The model on the span of both Krylov bases; each Hessian is applied to the other's basis, its own being known.

    Args:
        gradients: of capability and proxy at ``at``.
        spectra: Lanczos from each gradient at ``at``.
    """
    bases = [each.basis for each in spectra]
    frame = jnp.concatenate(bases)
    gram = np.asarray(frame @ frame.T, np.float64)
    spread, directions = np.linalg.eigh(gram)
    kept = spread > _RANK * spread[-1]
    # Coefficients of an orthonormal basis of the span, in terms of the frame.
    orthonormal = directions[:, kept] / np.sqrt(spread[kept])
    parts = slice(0, len(bases[0])), slice(len(bases[0]), None)
    quadratics = []
    for own, loss in enumerate((capability, proxy)):
        other = 1 - own
        here, there = parts[own], parts[other]
        products = loss.hvps(at, bases[other])
        inner = np.zeros_like(gram)
        inner[here, here] = spectra[own].projected
        inner[:, there] = np.asarray(frame @ products.T, np.float64)
        inner[there, here] = inner[here, there].T
        inner[there, there] = (inner[there, there] + inner[there, there].T) / 2
        slope = np.asarray(frame @ gradients[own], np.float64)
        quadratics.append(Quadratic(orthonormal.T @ slope, orthonormal.T @ inner @ orthonormal))
    return QuadraticModel(*quadratics)


@dataclass(frozen=True)
class Sharing:
    """What training together costs at one penalty, nats/response, predicted.

    Attributes:
        interference: against training apart, in the same ball.
        cost: what of it is beyond the information cost; predicts δ + κ where the ball lets both losses reach what
            they can: in a small ball nothing is learned, and no information cost is paid either.
    """

    penalty: float
    interference: Bound
    cost: Bound


def sharing(
    model: QuadraticModel, penalty: float, information: Bound, radius: float = math.inf, *, most: float = math.inf
) -> Sharing:
    """Both costs from the model.

    Args:
        information: min G_f + λ Ĝ_s over all policies, with its interval.
        most: both losses at θ_s, the second weighted by λ, which is all that training apart can gain.
    """
    interference = model.interference(penalty, radius)
    if math.isnan(interference) or interference > most:
        unknown = _predicted(math.inf, "upper", status=UNBOUNDED if math.isnan(interference) else TOO_LARGE)
        return Sharing(penalty, unknown, unknown)
    cheapest, dearest = information.interval or (information.value, information.value)
    value, low, high = (max(interference - cost, 0.0) for cost in (information.value, dearest, cheapest))
    cost = replace(
        _predicted(value), interval=(min(low, value), max(high, value)), confidence=information.confidence,
        method="reduced quadratic model; interval: that of the information cost",
        assumptions=tuple(sorted({*information.assumptions, "rows"})),
    )  # fmt: skip
    return Sharing(penalty, _predicted(interference), cost)


def _predicted(value: float, side: Side = "value", status: str = "ok") -> Bound:
    name = "reduced quadratic model"
    return Bound(value, "predicted", side, method=name, assumptions=("rows",), theorem=name, status=status)
