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
        ends = f"[{'-inf' if low is None else f'{low:.2g}'}, {'inf' if high is None else f'{high:.2g}'}]"
        return f"{mark}{quantity['value']:.2g} {ends}"
    return f"{mark}{quantity['value']:.3g}"
