"""A number as the page shows it: its text, its interval, its kind in a word, and the note that explains it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tradeoffbounds.bounds.bound import ASSUMPTIONS
from tradeoffbounds.page.meanings import KINDS, MEANINGS, SIDES
from tradeoffbounds.report.quantities import known_from_below, number, plain

Record = dict[str, Any]

NO_BOUND = "no finite bound"
NONE = "none"
TOO_FAR = "too far to predict"
_SIGNS = {"upper": "≤ ", "lower": "≥ ", "value": ""}


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table or beside a slider.

    Attributes:
        kind: certified, measured, estimated or predicted; empty where the cell is no quantity.
        remark: what must be read with the number, in a few words.
        note: place of its explanation in the page's notes; None where it needs none.
        order: what a column is sorted by; None is sorted last.
    """

    text: str
    interval: str = ""
    kind: str = ""
    remark: str = ""
    note: int | None = None
    order: float | str | None = None

    @property
    def spoken(self) -> str:
        """All of it in one line, for plain tables and screen readers."""
        text = f"{self.text} ({self.interval})" if self.interval else self.text
        return ", ".join(part for part in (text, self.kind, self.remark) if part)


@dataclass
class Notes:
    """Explanations of numbers, each kept once: what it is, and how far it can be trusted."""

    assumptions: Record = field(default_factory=lambda: dict(ASSUMPTIONS))
    _places: dict[tuple[str, tuple[tuple[str, str], ...]], int] = field(default_factory=dict)

    def __iter__(self) -> Any:
        """Each note's meaning and its facts (name, text), in the order of their places."""
        return iter(self._places)

    def place(self, meaning: str, facts: tuple[tuple[str, str], ...] = ()) -> int:
        """The note's place; a new one where no note says the same."""
        return self._places.setdefault((meaning, facts), len(self._places))

    def of(self, meaning: str, quantity: Record) -> int:
        """The place of the note on a quantity.

        Args:
            meaning: a key of `MEANINGS`.
        """
        return self.place(MEANINGS[meaning], tuple(_facts(quantity, self.assumptions)))

    def cell(self, meaning: str, quantity: Record | None, *, missing: str = NONE, step: bool = False) -> Cell:
        """A quantity, or the word for a missing one.

        Args:
            step: a prediction along a step; where that is too long there is no number to show.
        """
        if quantity is None:
            return Cell(missing)
        note, kind = self.of(meaning, quantity), quantity["kind"]
        if step and quantity.get("status", "ok").startswith("vacuous"):
            return Cell(TOO_FAR, kind=kind, note=note)
        return Cell(shown(quantity), interval_text(quantity), kind, remark(quantity), note, number(quantity))


def text_cell(text: str) -> Cell:
    """Words that sort by themselves."""
    return Cell(text, order=text)


def count_cell(count: float | None) -> Cell:
    """A whole number, or the word for a missing one."""
    return Cell(NONE) if count is None else Cell(f"{count:,.0f}", order=float(count))


def shown(quantity: Record) -> str:
    """The value with the sign of its side, or in words where it is infinite."""
    value = number(quantity)
    if math.isinf(value):
        if quantity["side"] != "value":
            return NO_BOUND
        return "infinite" if value > 0 else "minus infinity"
    return f"{_SIGNS[quantity['side']]}{plain(value + 0.0)}"  # adding 0 makes -0 a 0


def interval_text(quantity: Record) -> str:
    """From where to where the quantity may lie; empty where that is not known."""
    if quantity["interval"] is None or (quantity.get("infinite") and quantity["side"] != "value"):
        return ""
    low, high = (None if end is None else plain(end + 0.0, 2) for end in quantity["interval"])
    if low is None and high is None:
        return ""
    return f"{low} to {high}" if low and high else f"{low} or more" if low else f"{high} or less"


def remark(quantity: Record) -> str:
    """The status in a few words; empty where it is ok. The note has all of it."""
    status = quantity.get("status", "ok")
    if status == "ok":
        return ""
    if status.startswith("vacuous"):
        return "vacuous"
    if status.startswith("nothing detected"):
        return "nothing detected"
    if status.startswith("no upper end"):
        return ""  # the number's own text says so
    if "learning curve" in status:
        return "still moves with rows"
    if known_from_below(quantity) or "supremum" in status:
        return "may lie below the truth"
    return "read with care"


def _facts(quantity: Record, assumptions: Record) -> list[tuple[str, str]]:
    facts = [("Kind", f"{quantity['kind']}: {KINDS[quantity['kind']]}"), ("Side", SIDES[quantity["side"]])]
    unit = quantity["unit"].replace("nats/response", "nats per response")
    facts.append(("Unit", unit))
    if quantity["confidence"] is not None:
        what = "Interval" if quantity["interval"] is not None else "Level"
        facts.append((what, f"{plain(100 * quantity['confidence'], 4)}% confidence"))
    for name, text in (("How", quantity["method"]), ("From", quantity["theorem"])):
        if text:
            facts.append((name, text))
    if quantity["assumptions"]:
        told = [
            f"{name} ({assumptions.get(name, ASSUMPTIONS.get(name, 'unknown'))})" for name in quantity["assumptions"]
        ]
        facts.append(("Assumes", "; ".join(told)))
    if quantity.get("status", "ok") != "ok":
        facts.append(("Care", quantity["status"]))
    return facts
