"""How a quantity of the record is read: as a number, and as text with the mark of its kind."""

from __future__ import annotations

import math
from typing import Any

Record = dict[str, Any]

#: In tables, before a number.
MARKS = {"certified": "", "measured": "m", "estimated": "~", "predicted": "p"}


def number(quantity: Record) -> float:
    """The value of a quantity of the record; infinity where it says so."""
    if quantity.get("infinite"):
        return -math.inf if quantity["side"] == "lower" else math.inf
    return float(quantity["value"])


def ends(quantity: Record) -> tuple[float, float]:
    """The interval of a quantity, infinite where an end is open; the value twice where it has none."""
    if quantity["interval"] is None:
        return number(quantity), number(quantity)
    low, high = quantity["interval"]
    return (-math.inf if low is None else low), (math.inf if high is None else high)


def plain(value: float, digits: int = 3) -> str:
    """A number in significant digits, written out from 0.0001 to 999999."""
    return f"{float(f'{value:.{digits}g}'):g}"


def with_interval(quantity: Record, digits: int = 2) -> str:
    """A quantity in a sentence: its value, and from where to where it may lie if that is known."""
    value = plain(number(quantity), digits)
    if quantity["interval"] is None:
        return value
    low, high = ends(quantity)
    return f"{value} ({plain(low, digits)} to {plain(high, digits)})"


def shortened(name: str, width: int) -> str:
    """A name in at most ``width`` characters, both ends kept: paths and system prompts often share their beginning."""
    if len(name) <= width:
        return name
    tail = (width - 5) // 2
    return f"{name[: width - 5 - tail].rstrip()} ... {name[-tail:].lstrip()}"


def known_from_below(quantity: Record) -> bool:
    """Whether its status says that the true number is larger: a largest value seen, or a saturating divergence."""
    return any(sign in quantity.get("status", "") for sign in ("at least", "saturate", "would raise"))


def marked(quantity: Record, *, interval: bool = False) -> str:
    """A quantity as text: mark of its kind, value, and interval where asked for."""
    mark = MARKS[quantity["kind"]]
    if quantity.get("infinite"):
        return f"{mark}{number(quantity):g}"
    if interval and quantity["interval"]:
        low, high = quantity["interval"]
        ends = f"[{'-inf' if low is None else plain(low, 2)}, {'inf' if high is None else plain(high, 2)}]"
        return f"{mark}{plain(quantity['value'], 2)} {ends}"
    return f"{mark}{plain(quantity['value'])}"
