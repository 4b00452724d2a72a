"""What every reported number carries: its kind, side, interval, assumptions and theorem."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

Kind = Literal["certified", "measured", "estimated", "predicted"]
Side = Literal["upper", "lower", "value"]

#: From the strongest claim to the weakest. Arithmetic keeps the weakest of its operands.
KINDS: tuple[Kind, ...] = ("certified", "measured", "estimated", "predicted")

NATS_PER_RESPONSE = "nats/response"
NATS = "nats"
PROBABILITY = "probability"
#: Gradients and curvatures; the unit of distance is the Euclidean norm of the trainable parameters.
PER_UNIT = "nats/response/unit"
PER_UNIT_SQUARED = "nats/response/unit^2"

#: The assumptions that a bound may name, in the words a report prints.
ASSUMPTIONS = {
    "A1": "bounded ratios: KL(mu(x)|P(x)) <= B and |log(mu_hat/P)| <= C on the supports",
    "A2": "realizable: the trained policy is P_lambda; else add delta + kappa to a bound on the total, "
    "while a single gap may move by more",
    "A3": "local Lipschitz: L_s = sup |grad G_s(theta)| over |theta - theta_s| <= epsilon is finite",
    "A4": "local smoothness: sup |Hessian(theta)|_op over |theta - theta_s| <= epsilon is finite, "
    "L'_f for G_f and S_s for G_s",
    "iid": "rows are independent draws from their source",
    "shared-prompts": "proxy and capability prompts come from one distribution, so H(Z|X) is known",
    "calibrated-prompts": "the prompt classifier is as good as any (log-loss H(Z|X)): "
    "no view of the response tells more about the prompt's source",
    "calibrated-responses": "the response classifier is calibrated; where responses are easy to tell "
    "apart its log-ratios saturate near log n",
    "same-source": "alignment and proxy are the same data, so the safety gap is the proxy gap",
    "rows": "gaps and constants are those of the loss over the rows given, not of all data of the source",
    "aligned-reference": "gaps are differences to the aligned model with its adapter off, "
    "whose own gaps are taken as 0",
}


@dataclass(frozen=True)
class Bound:
    """One number with everything a reader needs to trust it, or not to.

    Attributes:
        value: the number; for ``kind="certified"`` and a side, the guarantee itself.
        kind: ``certified`` (proved, at ``confidence`` where rows were sampled), ``measured``
            (observed on a trained model), ``estimated`` or ``predicted``.
        side: ``upper`` or ``lower`` for a bound on the quantity, ``value`` for the quantity.
        unit: natural logarithms throughout: ``nats/response`` unless it says otherwise.
        interval: confidence interval of the quantity that ``value`` is computed from.
        confidence: the interval's level; None where nothing was sampled (exact).
        method: how the interval was made.
        assumptions: keys of :data:`ASSUMPTIONS`.
        theorem: theorem and variant, e.g. ``"theorem 2 (a), paper"``.
        status: ``"ok"``, or why the number is vacuous or must be read with care.

    NaN never gets in: an upper bound becomes ``inf``, a lower bound ``-inf``, both with a status; a
    ``value`` raises ``ValueError``.
    """

    value: float
    kind: Kind
    side: Side = "value"
    unit: str = NATS_PER_RESPONSE
    interval: tuple[float, float] | None = None
    confidence: float | None = None
    method: str = "exact"
    assumptions: tuple[str, ...] = ()
    theorem: str = ""
    status: str = "ok"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}, got {self.kind!r}")
        if self.side not in ("upper", "lower", "value"):
            raise ValueError(f"`side` must be upper, lower or value, got {self.side!r}")
        unknown = set(self.assumptions) - set(ASSUMPTIONS)
        if unknown:
            raise ValueError(f"unknown assumptions {sorted(unknown)}; known: {sorted(ASSUMPTIONS)}")
        object.__setattr__(self, "value", float(self.value))
        if self.interval is not None:
            low, high = (float(end) for end in self.interval)
            # An end that could not be computed says nothing: open the interval on that side.
            interval = (-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)
            if interval[0] > interval[1]:
                raise ValueError(f"`interval` must be ordered, got {interval}")
            object.__setattr__(self, "interval", interval)
        if math.isnan(self.value):
            if self.side == "value":
                raise ValueError(f"{self.theorem or 'a value'} is not a number")
            object.__setattr__(self, "value", math.inf if self.side == "upper" else -math.inf)
            object.__setattr__(self, "status", "vacuous: not a number")

    def __add__(self, other: Bound) -> Bound:
        """The sum of the quantities: weaker kind, common side, union of assumptions.

        The interval is the sum of the intervals, at the level that the union bound leaves. Adding an
        upper to a lower bound is a ``TypeError``: the result would bound nothing.
        """
        if not isinstance(other, Bound):
            return NotImplemented
        if self.unit != other.unit:
            raise TypeError(f"cannot add {other.unit} to {self.unit}")
        interval, confidence = _combine_intervals(self, other)
        return Bound(
            value=self.value + other.value,
            kind=weakest(self.kind, other.kind),
            side=_common_side(self.side, other.side),
            unit=self.unit,
            interval=interval,
            confidence=confidence,
            method=" + ".join(dict.fromkeys((self.method, other.method))),
            assumptions=_union((self, other)),
            theorem=" + ".join(filter(None, dict.fromkeys((self.theorem, other.theorem)))),
            status=_worst_status((self, other)),
        )

    def __mul__(self, factor: float) -> Bound:
        """Scale by a known number; a negative one turns an upper bound into a lower one."""
        if isinstance(factor, Bound):
            return NotImplemented
        flipped: dict[Side, Side] = {"upper": "lower", "lower": "upper", "value": "value"}
        interval = self.interval and _ordered(_times(end, factor) for end in self.interval)
        return replace(
            self,
            value=_times(self.value, factor),
            side=self.side if factor >= 0 else flipped[self.side],
            interval=interval,
        )

    __rmul__ = __mul__

    def __neg__(self) -> Bound:
        return self * -1.0

    def __sub__(self, other: Bound) -> Bound:
        return self + (-other)

    def named(self, theorem: str, *assumptions: str, side: Side | None = None) -> Bound:
        """The same number under the name of the theorem that uses it, with its own assumptions.

        ``side`` may only be given where the number was a ``value``: a bound keeps its side.
        """
        if side is not None and self.side not in ("value", side):
            raise TypeError(f"an {self.side} bound cannot become {side} by naming it")
        merged = tuple(sorted({*self.assumptions, *assumptions}))
        return replace(self, theorem=theorem, assumptions=merged, side=side or self.side)

    def as_estimate(self, status: str) -> Bound:
        """Give up the side, in the open: a plug-in number that bounds nothing, and why."""
        return replace(self, kind=weakest(self.kind, "estimated"), side="value", status=status)

    def to_json(self) -> dict[str, Any]:
        """JSON without NaN or infinity: an infinite value is null beside ``"infinite": true``."""
        record: dict[str, Any] = {"value": _finite(self.value)}
        if math.isinf(self.value):
            record["infinite"] = True
        record |= {
            "unit": self.unit,
            "kind": self.kind,
            "side": self.side,
            "interval": None if self.interval is None else [_finite(end) for end in self.interval],
            "confidence": self.confidence,
            "method": self.method,
            "assumptions": list(self.assumptions),
            "theorem": self.theorem,
        }
        if self.status != "ok":
            record["status"] = self.status
        return record


def exact(value: float, theorem: str = "", *, side: Side = "value", unit: str = NATS_PER_RESPONSE) -> Bound:
    """A number computed without sampling or approximation, hence certified."""
    return Bound(value, "certified", side=side, unit=unit, theorem=theorem)


def product(first: Bound, second: Bound, theorem: str) -> Bound:
    """The product of two quantities >= 0, in the unit of the first: weaker kind, common side, as for a sum.

    Raises:
        ValueError: a value or an interval reaches below 0, where sides would flip.
    """
    (low_1, high_1), (low_2, high_2) = (b.interval or (b.value, b.value) for b in (first, second))
    if min(first.value, second.value, low_1, low_2) < 0:
        raise ValueError(f"a product needs quantities >= 0, got {first.value} and {second.value}")
    # Kind, side, level, assumptions and status combine as in a sum.
    combined = first + replace(second, unit=first.unit)
    interval = None if combined.interval is None else (low_1 * low_2, high_1 * high_2)
    return replace(combined, value=first.value * second.value, interval=interval, theorem=theorem)


def tightest(bounds: Iterable[Bound], theorem: str) -> Bound:
    """The smallest of several upper bounds on one quantity, keeping its own kind and assumptions.

    Choosing after looking costs confidence: the level is what the union bound leaves over all bounds
    that rest on samples.
    """
    candidates = list(bounds)
    if not candidates:
        raise ValueError("tightest needs at least one bound")
    if any(bound.side == "lower" for bound in candidates):
        raise TypeError("a lower bound cannot be among upper bounds")
    best = min(candidates, key=lambda bound: bound.value)
    doubt = sum(1.0 - bound.confidence for bound in candidates if bound.confidence is not None)
    confidence = None if best.confidence is None else max(0.0, 1.0 - doubt)
    name = f"{theorem} = {best.theorem}" if best.theorem else theorem
    return replace(best, side="upper", confidence=confidence, theorem=name)


def weakest(*kinds: Kind) -> Kind:
    """The weaker of the kinds, in the order of :data:`KINDS`."""
    return max(kinds, key=KINDS.index)


def _common_side(first: Side, second: Side) -> Side:
    if "value" in (first, second):
        return second if first == "value" else first
    if first != second:
        raise TypeError("an upper and a lower bound do not add up to a bound; say `as_estimate` if meant")
    return first


def _combine_intervals(first: Bound, second: Bound) -> tuple[tuple[float, float] | None, float | None]:
    levels = [b.confidence for b in (first, second) if b.confidence is not None]
    confidence = max(0.0, 1.0 - sum(1.0 - level for level in levels)) if levels else None
    if first.interval is None and second.interval is None:
        return None, confidence
    (low_1, high_1), (low_2, high_2) = (b.interval or (b.value, b.value) for b in (first, second))
    return (low_1 + low_2, high_1 + high_2), confidence


def _union(bounds: Iterable[Bound]) -> tuple[str, ...]:
    return tuple(sorted({name for bound in bounds for name in bound.assumptions}))


def _worst_status(bounds: Iterable[Bound]) -> str:
    remarks = dict.fromkeys(bound.status for bound in bounds if bound.status != "ok")
    return "; ".join(remarks) or "ok"


def _times(value: float, factor: float) -> float:
    # 0 * inf is undefined, and undefined must not read as harmless: NaN goes to the vacuous side.
    return value * factor


def _ordered(ends: Iterable[float]) -> tuple[float, float]:
    low, high = ends
    return (high, low) if low > high else (low, high)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
