"""What every piece of advice is made of: a sentence, the numbers behind it, and the budget that it keeps."""

from __future__ import annotations

import math
from typing import Any, Literal

from tradeoffbounds.errors import UserError
from tradeoffbounds.report.quantities import ends, number, plain

Record = dict[str, Any]
About = Literal["method", "penalty", "radius", "proxy", "afterwards"]

_DIGITS = 3


def item(about: About, sentence: str, *rests_on: Record) -> Record:
    """One piece of advice, as ``estimate.json`` keeps it."""
    return {"about": about, "sentence": sentence, "rests_on": list(rests_on)}


def budget(record: Record) -> float:
    """The largest safety gap that is acceptable, nats/response.

    Raises:
        UserError: the estimate was made without one.
    """
    asked = record.get("max_safety_gap")
    if asked is None:
        raise UserError("advice needs a budget, which this estimate was made without; run it with --max-safety-gap 0.5")
    return float(asked["limit"])


def stated(quantity: Record) -> str:
    """A quantity in a sentence: its value, from where to where it may lie, and its kind."""
    low, high = ends(quantity)
    value, kind = plain(number(quantity)), quantity["kind"]
    if quantity["interval"] is None or (low, high) == (-math.inf, math.inf):
        return f"{value} ({kind})"
    if math.isinf(high):
        return f"{value} (at least {plain(low)}, {kind})"
    if math.isinf(low):
        return f"{value} (at most {plain(high)}, {kind})"
    return f"{value} ({plain(low)} to {plain(high)}, {kind})"


def rounded_down(value: float) -> float:
    """To the digits that sentences show, so that what is shown stays within the budget."""
    return _rounded(value, math.floor)


def rounded_up(value: float) -> float:
    """As `rounded_down`, for what is safe above a value."""
    return _rounded(value, math.ceil)


def _rounded(value: float, towards: Any) -> float:
    if float(plain(value, _DIGITS)) == value:
        return value
    place = math.floor(math.log10(value)) - _DIGITS + 1
    return float(f"{towards(value / 10.0**place)}e{place}")
