"""Suprema over a ball around θ_s of ‖∇G‖ (L, assumption A3) and ‖∇²G‖ (S, assumption A4).

They cannot be computed for a transformer, so two kinds are told apart (theory.md, section 3):

- *lower*: the largest value met, by projected gradient ascent on ½‖∇G‖², whose gradient is the Hessian-vector
  product H∇G, from the better end of ∓g and from random starts. A true lower bound on the supremum.
- *estimate*: ‖∇G(θ_s)‖ + ε max‖H‖ for L, max‖H‖ for S, over the points met: Lanczos with its residual where it
  ran, and between two points the secant ‖∇G(θ) - ∇G(θ')‖ / ‖θ - θ'‖, which the mean of H between them is no
  smaller than. But for rounding, the secants make estimate >= lower a theorem.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, Bound
from tradeoffbounds.curvature.products import ChunkedLoss
from tradeoffbounds.curvature.spectrum import Spectrum, random_start, spectrum

Vector = Float[Array, " p"]
#: Distances that rounding pushed out of a ball still belong to it.
_ROUNDING = 1e-5
NOT_FINITE = "vacuous: the loss is not finite at a point of the ball"


@dataclass(frozen=True)
class Search:
    """How much is spent on one loss.

    Attributes:
        restarts: random starts a radius, besides the better end of ∓g.
        ascents: ascent steps from each start; 0 looks at the starts alone.
        lanczos: Lanczos steps at θ_s and at the best points.
        every_radius: ascend, and run Lanczos at the best point, at every radius, not at the largest alone.
    """

    restarts: int
    ascents: int
    lanczos: int
    every_radius: bool


@dataclass(frozen=True)
class Visit:
    """What was learned at one point of the ball.

    Attributes:
        distance: ‖θ - θ_s‖.
        gradient_norm: ‖∇G(θ)‖; infinite where it is not finite.
        curvature: at most sup‖H‖ over the ball of this radius (Rayleigh quotients, secants).
        curvature_estimate: the same with Lanczos' residual added.
    """

    distance: float
    gradient_norm: float
    curvature: float = 0.0
    curvature_estimate: float = 0.0


@dataclass(frozen=True)
class Suprema:
    """The points met, from which the constants of every radius are read; larger balls hold the smaller ones' points."""

    visits: list[Visit]

    def lipschitz(self, radius: float) -> dict[str, Bound]:
        """``lower`` and ``estimate`` of sup ‖∇G‖ over the ball, nats/response/unit."""
        inside = self._inside(radius)
        lowest = max(visit.gradient_norm for visit in inside if math.isfinite(visit.gradient_norm))
        centre = self.visits[0].gradient_norm
        estimate = centre + radius * max(visit.curvature_estimate for visit in inside)
        # Equal in exact arithmetic at worst; rounding must not turn them round.
        return _pair(lowest, max(estimate, lowest), inside, PER_UNIT, "A3", "L")

    def smoothness(self, radius: float) -> dict[str, Bound]:
        """``lower`` and ``estimate`` of sup ‖∇²G‖ over the ball, nats/response/unit²."""
        inside = self._inside(radius)
        lowest = max(visit.curvature for visit in inside)
        estimate = max(visit.curvature_estimate for visit in inside)
        return _pair(lowest, estimate, inside, PER_UNIT_SQUARED, "A4", "S")

    def _inside(self, radius: float) -> list[Visit]:
        return [visit for visit in self.visits if visit.distance <= radius * (1 + _ROUNDING)]


def _pair(
    lower: float, estimate: float, inside: list[Visit], unit: str, assumption: str, name: str
) -> dict[str, Bound]:
    finite = all(math.isfinite(visit.gradient_norm + visit.curvature_estimate) for visit in inside)
    return {
        "lower": Bound(
            lower, "measured", "lower", unit, method=f"largest of {len(inside)} values met in the ball",
            assumptions=("rows",), theorem=f"theorem 3, sup over the ball ({name})",
        ),
        "estimate": Bound(
            estimate if finite else math.inf, "estimated", "value", unit, assumptions=(assumption, "rows"),
            method="norm at the centre and curvature at the points met", status="ok" if finite else NOT_FINITE,
            theorem=f"theorem 3, sup over the ball ({name})",
        ),
    }  # fmt: skip


def explore(
    loss: ChunkedLoss,
    centre: Vector,
    gradient: Vector,
    at_centre: Spectrum,
    radii: Sequence[float],
    search: Search,
    *,
    seed: int,
    on_point: Callable[[], None] = lambda: None,
) -> Suprema:
    """Look for large gradients and curvatures in the balls around ``centre``.

    Args:
        gradient: ∇G at the centre, finite.
        at_centre: Lanczos at the centre.
        on_point: called after every point, for progress.
    """
    walk = _Walk(loss, centre, gradient, at_centre, on_point)
    for which, radius in enumerate(sorted(radii)):
        thorough = search.every_radius or which == len(radii) - 1
        found = [walk.visit(start) for start in _starts(gradient, radius)]
        climbers = [max(found, key=lambda point: point.norm)] if found else []
        climbers += [walk.visit(start) for start in _random_starts(gradient, radius, search.restarts, seed + which)]
        if thorough and climbers:
            tops = [walk.ascend(point, radius, search.ascents) for point in climbers]
            best = max(tops, key=lambda point: point.norm)
            if math.isfinite(best.norm):
                walk.measure(best, search.lanczos)
    return Suprema(walk.visits)


def _starts(gradient: Vector, radius: float) -> Iterator[Vector]:
    """Offsets from the centre to the sphere: against the gradient, and along it."""
    norm = float(jnp.linalg.norm(gradient))
    if norm > 0:
        yield gradient * (-radius / norm)
        yield gradient * (radius / norm)


def _random_starts(gradient: Vector, radius: float, count: int, seed: int) -> Iterator[Vector]:
    for key in jax.random.split(jax.random.key(seed), count):
        direction = jax.random.normal(key, gradient.shape, gradient.dtype)
        yield direction * (radius / jnp.linalg.norm(direction))


class _Point(NamedTuple):
    """Where a walk is: the offset from the centre, and the gradient there with its norm."""

    offset: Vector
    gradient: Vector
    norm: float


@dataclass
class _Walk:
    """Visits points and keeps what was learned at each."""

    loss: ChunkedLoss
    centre: Vector
    gradient: Vector
    at_centre: Spectrum
    on_point: Callable[[], None]
    visits: list[Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        norm = float(jnp.linalg.norm(self.gradient))
        self.visits.append(Visit(0.0, norm, self.at_centre.norm, self.at_centre.norm_estimate))

    def visit(self, offset: Vector) -> _Point:
        """The gradient there, and the secant of curvature from the centre."""
        value, gradient = self.loss.value_and_gradient(self.centre + offset)
        norm = float(jnp.linalg.norm(gradient))
        if not math.isfinite(norm + float(value)):
            norm = math.inf
            self._learn(offset, norm, 0.0)
        else:
            self._learn(offset, norm, self._secant(offset, gradient, norm))
        self.on_point()
        return _Point(offset, gradient, norm)

    def _secant(self, offset: Vector, gradient: Vector, norm: float) -> float:
        """Curvature between the centre and here, less what rounding alone may make of two gradients."""
        distance = float(jnp.linalg.norm(offset))
        if distance == 0:  # a climb may lead back to the centre
            return 0.0
        rounding = _unit_roundoff(self.loss, gradient) * (norm + self.visits[0].gradient_norm)
        return max(float(jnp.linalg.norm(gradient - self.gradient)) - rounding, 0.0) / distance

    def ascend(self, point: _Point, radius: float, steps: int) -> _Point:
        """Climb ½‖∇G‖² inside the ball; the best point met."""
        length = radius
        for _ in range(steps):
            if not (math.isfinite(point.norm) and point.norm > 0):
                break
            upward = self.loss.hvp(self.centre + point.offset, point.gradient)
            steepness = float(jnp.linalg.norm(upward))
            if not math.isfinite(steepness):
                self._learn(point.offset, point.norm, 0.0, math.inf)
            if not (math.isfinite(steepness) and steepness > 0):
                break
            self._learn(point.offset, point.norm, steepness / point.norm)  # ‖Hg‖ / ‖g‖ <= ‖H‖
            trial = self.visit(_into_ball(point.offset + upward * (length / steepness), radius))
            if trial.norm > point.norm:
                point = trial
            else:
                length /= 2
        return point

    def measure(self, point: _Point, steps: int) -> None:
        """Lanczos at a point already visited."""
        start = point.gradient if point.norm > 0 else random_start(point.gradient.size, 0)
        try:
            found = spectrum(self.loss, self.centre + point.offset, start, steps)
        except FloatingPointError:  # the gradient may be finite where the Hessian is not
            self._learn(point.offset, point.norm, 0.0, math.inf)
            return
        self._learn(point.offset, point.norm, found.norm, found.norm_estimate)

    def _learn(self, offset: Vector, norm: float, curvature: float, estimate: float | None = None) -> None:
        distance = float(jnp.linalg.norm(offset))
        self.visits.append(Visit(distance, norm, curvature, curvature if estimate is None else estimate))


def _unit_roundoff(loss: ChunkedLoss, gradient: Vector) -> float:
    """Of the coarsest type that the gradient is computed in."""
    types = {leaf.dtype for leaf in jax.tree.leaves((loss.frozen, gradient))}
    return max(float(jnp.finfo(dtype).eps) for dtype in types if jnp.issubdtype(dtype, jnp.floating))


def _into_ball(offset: Vector, radius: float) -> Vector:
    """The nearest offset of the ball."""
    return offset * jnp.minimum(1.0, radius / jnp.linalg.norm(offset))


def exceeded(suprema: Suprema, radius: float, points: Sequence[Visit]) -> dict[str, float]:
    """Share of other points of the ball where the gradient or the curvature exceeds its *estimate*."""
    lipschitz, smoothness = (each["estimate"].value for each in (suprema.lipschitz(radius), suprema.smoothness(radius)))
    return {
        "gradient": float(np.mean([point.gradient_norm > lipschitz for point in points])),
        "curvature": float(np.mean([point.curvature > smoothness for point in points])),
    }
