"""A bound beside what was observed: does it hold, how closely, and is that certain?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tradeoffbounds.bounds.bound import Bound

Word = Literal["tight", "loose", "far", "vacuous", "violated"]
#: Bound / observed up to which a bound is tight, and up to which it is loose. Beyond it is far.
TIGHT, LOOSE = 2.0, 10.0
#: What rounding may do to a sum of nats: a bound this little below its observation, absolute or relative, holds.
ROUNDING, RELATIVE_ROUNDING = 1e-12, 1e-9


@dataclass(frozen=True)
class Judgement:
    """What an observation says of a bound.

    Attributes:
        tightness: how many times further from 0 the bound allows the quantity to be than it is: bound / observed for
            an upper bound on a positive quantity. At least 1 where the bound holds, below 1 where it is violated.
            See :func:`judge` for negative numbers.
        word: ``vacuous`` comes before closeness, ``violated`` before both.
        certain: whether no point of the observation's confidence interval would change "holds" to "violated" or back.
            It does not speak of the words for closeness.
    """

    tightness: float
    word: Word
    certain: bool

    def sentence(self) -> str:
        """The judgement as reports print it."""
        if self.word == "violated":
            return "violated" if self.certain else "violated, within sampling error"
        return "vacuous" if self.word == "vacuous" else f"holds, {self.word}"


def judge(
    bound: Bound, observed: Bound, trivial: Bound | None = None, *, side: Literal["upper", "lower"] | None = None
) -> Judgement:
    """The bound judged by the observation; a lower bound is the upper bound -bound on -observed.

    An upper bound is violated where it is below the observation, vacuous where it is ``inf`` or no better than
    ``trivial``, else tight, loose or far by its tightness. Where both numbers are positive that is bound / observed.
    Where both are negative, as gaps to a reference may be, the bound says that something falls by |bound| at least,
    and the tightness is observed / bound. Where one is positive and the other is not there is no ratio: the tightness
    is ``inf`` where the bound holds and 0 where not, so the smaller the observation, the worse the word.
    Both equal up to rounding is 1.

    Args:
        observed: the quantity itself; where it has no interval it is exact.
        trivial: what is known without data, a bound on the same side or a value. No better than that is vacuous
            however close to the observation.
        side: how to judge a ``bound`` of side ``value``, which bounds nothing of itself.

    Raises:
        ValueError: different units, an observation that is itself a bound, a trivial bound on the other side, or a
            ``side`` that is missing or contradicts the bound's own.
    """
    side = _side(bound, side)
    _require_comparable(bound, observed, trivial, side)
    sign = 1.0 if side == "upper" else -1.0
    limit, value = sign * bound.value, sign * observed.value
    ends = [value, *(sign * end for end in observed.interval or ())]
    holds = _reaches(limit, value)
    tightness = _tightness(limit, value, holds)
    word: Word
    if not holds:
        word = "violated"
    elif limit == math.inf or (trivial is not None and _reaches(limit, sign * trivial.value)):
        word = "vacuous"
    else:
        word = "tight" if tightness <= TIGHT else "loose" if tightness <= LOOSE else "far"
    certain = _reaches(limit, max(ends)) if holds else not _reaches(limit, min(ends))
    return Judgement(tightness, word, certain)


def _side(bound: Bound, side: Literal["upper", "lower"] | None) -> Literal["upper", "lower"]:
    if bound.side == "value":
        if side is None:
            raise ValueError("`bound` is a value, which bounds nothing; give `side` to judge it as upper or lower")
        return side
    if side not in (None, bound.side):
        raise ValueError(f"`side` is {side!r}, but `bound` is {bound.side}; leave `side` out")
    return bound.side


def _require_comparable(bound: Bound, observed: Bound, trivial: Bound | None, side: str) -> None:
    if observed.side != "value":
        raise ValueError(f"`observed` must be the quantity itself, got a bound of side {observed.side!r}")
    if observed.unit != bound.unit:
        raise ValueError(f"`observed` must be in {bound.unit} like the bound, got {observed.unit}")
    if trivial is not None and trivial.unit != bound.unit:
        raise ValueError(f"`trivial` must be in {bound.unit} like the bound, got {trivial.unit}")
    if trivial is not None and trivial.side not in ("value", side):
        raise ValueError(f"`trivial` must bound on the {side} side like the bound, got side {trivial.side!r}")


def _rounding(value: float) -> float:
    return ROUNDING + RELATIVE_ROUNDING * abs(value) if math.isfinite(value) else 0.0


def _reaches(limit: float, value: float) -> bool:
    """limit >= value up to rounding."""
    return limit >= value - _rounding(value)


def _tightness(limit: float, value: float, holds: bool) -> float:
    if limit == math.inf:
        return math.inf
    if limit == value or abs(limit - value) <= _rounding(value):
        return 1.0
    if min(limit, value) <= 0 <= max(limit, value):
        return math.inf if holds else 0.0
    small, large = sorted((abs(limit), abs(value)))
    return large / small if holds else small / large
