r"""Theorem 3 (Case II): how far a fine-tune inside a ball of radius ε can move both gaps.

θ* ∈ argmin { G_f(θ) : ‖θ - θ_s‖ <= ε }, where θ are the trainable parameters, θ_s their values before
training, and ‖·‖ is Euclidean (Frobenius for matrices). Source: Theorem 3 of arXiv:2503.20807 is
:func:`paper`; the rest is ours, by Taylor's theorem along a segment in the ball.

Gaps are in nats/response, gradient norms and L_s in nats/response/unit, S_s and L'_f in
nats/response/unit². L_s, S_s and L'_f are suprema over the ball, so each must hold at the ``radius`` it
is used with: a supremum over a smaller ball proves nothing, and a ``Bound`` does not know its ball.
Every bound keeps the weakest kind of what it is made of: estimated constants certify nothing.

Each function refuses an argument that is bounded on the wrong side (``TypeError``) or in the wrong unit
(``TypeError``), a constant or a norm < 0 (``ValueError``), and a radius that is not finite and > 0
(``ValueError``).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace

from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE, PER_UNIT, PER_UNIT_SQUARED, Bound, Side, weakest


def paper(start: Bound, lipschitz: Bound, radius: float) -> Bound:
    r"""G_s(θ) <= G_s(θ_s) + L_s(θ_s, ε) ε for every θ with ‖θ - θ_s‖ <= ε.

    Args:
        start: G_s(θ_s), or an upper bound on it.
        lipschitz: L_s = sup over the ball of ‖∇G_s‖, or an upper bound on it.
        radius: ε.

    Returns:
        An upper bound, ``inf`` where L_s is, that is where A3 fails.

    Coq: Theorem3.theorem3_paper
    """
    _require_distance("radius", radius)
    start = _gap("start", start, "upper")
    lipschitz = _constant("lipschitz", lipschitz, PER_UNIT, "upper")
    return _stated(start + _change(lipschitz, radius), "theorem 3, paper", "A3")


def refined(start: Bound, gradient_norm: Bound, smoothness: Bound, radius: float) -> Bound:
    r"""G_s(θ) <= G_s(θ_s) + ‖∇G_s(θ_s)‖ ε + ½ S_s(θ_s, ε) ε² for every θ with ‖θ - θ_s‖ <= ε.

    Args:
        start: G_s(θ_s), or an upper bound on it.
        gradient_norm: ‖∇G_s(θ_s)‖, or an upper bound on it.
        smoothness: S_s = sup over the ball of ‖∇²G_s‖_op, or an upper bound on it.
        radius: ε.

    Returns:
        An upper bound, ``inf`` where S_s is, that is where A4 fails.

    Coq: Theorem3.theorem3_refined
    """
    _require_distance("radius", radius)
    start = _gap("start", start, "upper")
    gradient_norm = _constant("gradient_norm", gradient_norm, PER_UNIT, "upper")
    smoothness = _constant("smoothness", smoothness, PER_UNIT_SQUARED, "upper")
    total = start + _change(gradient_norm, radius) + _change(smoothness, radius / 2, radius)
    return _stated(total, "theorem 3, refined", "A4")


def capability_upper(start: Bound, gradient_norm: Bound, smoothness: Bound, radius: float) -> Bound:
    r"""G_f(θ*) <= G_f(θ_s) - t‖g‖ + ½ L'_f t² with g = ∇G_f(θ_s) and t = min(ε, ‖g‖ / L'_f).

    It bounds the best point of the ball, so not what a training that stops short of it reaches. *Proof:* the
    step of length t along -g stays in the ball. Any t in [0, ε] proves a bound, so an overestimate of L'_f
    costs tightness alone.

    Args:
        start: G_f(θ_s), or an upper bound on it.
        gradient_norm: ‖g‖, or a lower bound on it, as it lowers the bound. Where it has an interval its
            lower end is used, in t and in the value.
        smoothness: L'_f = sup over the ball of ‖∇²G_f‖_op, or an upper bound on it.
        radius: ε.

    Returns:
        An upper bound, at most G_f(θ_s), and no better than that (vacuous) where a constant is infinite.

    Coq: Theorem3.theorem3_capability_upper
    """
    _require_distance("radius", radius)
    start = _gap("start", start, "upper")
    gradient_norm = _constant("gradient_norm", gradient_norm, PER_UNIT, "lower")
    smoothness = _constant("smoothness", smoothness, PER_UNIT_SQUARED, "upper")
    if gradient_norm.interval is not None:
        low = min(gradient_norm.value, gradient_norm.interval[0])
        gradient_norm = replace(gradient_norm, value=max(0.0, low))
    known = math.isfinite(smoothness.value) and math.isfinite(gradient_norm.value * radius)
    step = _best_step(gradient_norm.value, smoothness.value, radius) if known else 0.0
    total = start - _change(gradient_norm, step) + _change(smoothness, step / 2, step)
    return _stated(total, "theorem 3, capability side", "A4", vacuous=not known)


def capability_lower(start: Bound, gradient_norm: Bound, smoothness: Bound, radius: float) -> Bound:
    r"""G_f(θ) >= G_f(θ_s) - ‖∇G_f(θ_s)‖ ε - ½ L'_f ε² for every θ with ‖θ - θ_s‖ <= ε, θ* among them.

    Args:
        start: G_f(θ_s), or a lower bound on it.
        gradient_norm: ‖∇G_f(θ_s)‖, or an upper bound on it.
        smoothness: L'_f = sup over the ball of ‖∇²G_f‖_op, or an upper bound on it.
        radius: ε.

    Returns:
        A lower bound, ``-inf`` where L'_f is infinite.

    Coq: Theorem3.theorem3_capability_lower
    """
    _require_distance("radius", radius)
    start = _gap("start", start, "lower")
    gradient_norm = _constant("gradient_norm", gradient_norm, PER_UNIT, "upper")
    smoothness = _constant("smoothness", smoothness, PER_UNIT_SQUARED, "upper")
    total = start - _change(gradient_norm, radius) - _change(smoothness, radius / 2, radius)
    return _stated(total, "theorem 3, capability side", "A4")


def drift(slope: Bound, curvature: Bound, distance: float) -> Bound:
    r"""G_s(θ_s + t d) - G_s(θ_s) = t ⟨∇G_s, d⟩ + ½ t² ⟨d, ∇²G_s d⟩ + o(t²), a prediction and no bound.

    Args:
        slope: ⟨∇G_s(θ_s), d⟩ for a unit vector d, of either sign; nats/response/unit.
        curvature: ⟨d, ∇²G_s(θ_s) d⟩, of either sign; nats/response/unit².
        distance: t.

    Raises:
        TypeError: the slope or the curvature is a bound, not a value, or in another unit.
        ValueError: the distance is not finite and > 0, or the sum is not a number.

    Coq: Drift.theorem3_drift
    """
    _require_distance("distance", distance)
    for name, term, unit in (("slope", slope, PER_UNIT), ("curvature", curvature, PER_UNIT_SQUARED)):
        _require_unit(name, term, unit)
        if term.side != "value":
            raise TypeError(f"`{name}` must be a value for a prediction, got side {term.side!r}")
    total = _change(slope, distance) + _change(curvature, distance / 2, distance)
    return replace(total, kind=weakest(total.kind, "predicted"), theorem="theorem 3, drift")


def largest_radius(limit: float, start: Bound, gradient_norm: Bound, smoothness: Bound) -> float:
    r"""The largest ε with G_s(θ_s) + ‖∇G_s(θ_s)‖ ε + ½ S_s ε² <= limit, by :func:`refined` as computed.

    ε = 2 r / (‖∇G_s‖ + √(‖∇G_s‖² + 2 S_s r)) with r = limit - G_s(θ_s): no difference of nearly equal
    numbers. Rounding only ever makes it smaller. S_s grows with the ball: the answer holds up to the
    radius that S_s was made for, so take the smaller of the two.

    Args:
        limit: the safety gap that is still acceptable, finite, nats/response.

    Returns:
        A distance: ``inf`` where the bound does not grow with ε, 0 where the start is above the limit or a
        constant is infinite.

    Coq: LargestRadius.theorem3_largest_radius
    """
    slope = _constant("gradient_norm", gradient_norm, PER_UNIT, "upper").value
    curvature = _constant("smoothness", smoothness, PER_UNIT_SQUARED, "upper").value
    root = _root(_room(limit, start), slope, curvature)
    return _rounded_down(root, lambda radius: refined(start, gradient_norm, smoothness, radius).value <= limit)


def largest_radius_paper(limit: float, start: Bound, lipschitz: Bound) -> float:
    r"""The largest ε with G_s(θ_s) + L_s ε <= limit, by :func:`paper`; else like :func:`largest_radius`.

    Coq: LargestRadius.theorem3_largest_radius_paper
    """
    slope = _constant("lipschitz", lipschitz, PER_UNIT, "upper").value
    root = _root(_room(limit, start), slope, 0.0)
    return _rounded_down(root, lambda radius: paper(start, lipschitz, radius).value <= limit)


def _room(limit: float, start: Bound) -> float:
    if not math.isfinite(limit):
        raise ValueError(f"`limit` must be finite, got {limit}")
    return limit - _gap("start", start, "upper").value


def _best_step(slope: float, curvature: float, radius: float) -> float:
    """argmin of -t·slope + ½ t²·curvature over [0, radius]."""
    return radius if curvature * radius <= slope else min(radius, slope / curvature)


def _root(room: float, slope: float, curvature: float) -> float:
    """The ε >= 0 with slope ε + ½ curvature ε² = room; 0 where there is none, inf where every ε has less."""
    if not (0 <= room < math.inf and math.isfinite(slope) and math.isfinite(curvature)):
        return 0.0
    if slope == curvature == 0:
        return math.inf
    half = (slope + math.hypot(slope, math.sqrt(2 * curvature) * math.sqrt(room))) / 2
    # half = 0 < curvature: there is no room, or the root underflows.
    return min(room / half, sys.float_info.max) if half > 0 else 0.0


def _rounded_down(radius: float, holds: Callable[[float], bool]) -> float:
    """The radius itself or just below, where the bound as computed holds; 0 where rounding leaves nothing."""
    if math.isinf(radius):
        return radius
    for digits in range(53, 0, -1):
        if radius == 0 or holds(radius):
            return radius
        radius *= 1 - 2.0**-digits
    return 0.0


def _require_distance(name: str, distance: float) -> None:
    if not (distance > 0 and math.isfinite(distance)):
        raise ValueError(f"`{name}` must be finite and > 0, got {distance}")


def _require_unit(name: str, bound: Bound, unit: str) -> None:
    if bound.unit != unit:
        raise TypeError(f"`{name}` must be in {unit}, got {bound.unit}")


def _gap(name: str, bound: Bound, side: Side) -> Bound:
    return _on_side(name, bound, NATS_PER_RESPONSE, side)


def _constant(name: str, bound: Bound, unit: str, side: Side) -> Bound:
    if bound.value < 0:
        raise ValueError(f"`{name}` is a norm or a supremum of norms, hence >= 0; got {bound.value}")
    return _on_side(name, bound, unit, side)


def _on_side(name: str, bound: Bound, unit: str, side: Side) -> Bound:
    """The argument as a bound on ``side``, which only a value or a bound on that side can be."""
    _require_unit(name, bound, unit)
    if bound.side not in ("value", side):
        raise TypeError(f"`{name}` must be a value or bounded on the {side} side here, got side {bound.side!r}")
    return replace(bound, side=side)


def _change(constant: Bound, *lengths: float) -> Bound:
    """constant · Π lengths as a change of the gap, one factor at a time: a square may under- or overflow."""
    if 0.0 in lengths:
        constant = replace(constant, value=0.0, interval=None)  # a step of 0 changes nothing, even at inf
    for length in lengths:
        constant = constant * length
    return replace(constant, unit=NATS_PER_RESPONSE)


def _stated(total: Bound, theorem: str, assumption: str, *, vacuous: bool = False) -> Bound:
    """The bound under its name. Not finite, on whichever side, is vacuous: A3, A4 make every gap finite."""
    bound = total.named(theorem, assumption)
    if not math.isfinite(bound.value):
        bound = replace(bound, value=math.inf if bound.side == "upper" else -math.inf)
        vacuous = True
    if not vacuous or bound.status.startswith("vacuous"):
        return bound
    remark = "" if bound.status == "ok" else f"; {bound.status}"
    return replace(bound, status=f"vacuous: {assumption} fails, a gap or a constant is not finite{remark}")
