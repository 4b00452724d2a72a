"""``loss_constraint_grid``: the rows of ``loss_constraint`` at many round penalties, kept small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]

#: What the slider moves, by its place in a row of ``loss_constraint``.
_MOVED = ("theorem1/paper", "theorem1/refined", "theorem2/paper", "theorem2/refined", "classifier_bound")
_MOVED_PARTS = ("predicted", "exact", "bracket", "certificate")
_ENDS = ("low", "high")
#: Fields that a quantity has only where they say something.
_WHERE_NEEDED = ("infinite", "status")


def grid_record(rows: list[Record]) -> Record:
    """Rows of one shape by columns: of each quantity a list of values, and what is the same in all rows only once.

    Args:
        rows: as in ``loss_constraint``; of each what :func:`grid_rows` gives back is kept.
    """
    by_place: dict[str, list[Record]] = {}
    for row in rows:
        for place, quantity in _quantities(row):
            if place in _MOVED or place.split("/")[0] in _MOVED_PARTS:
                by_place.setdefault(place, []).append(quantity)
    return {
        "penalties": [row["penalty"] for row in rows],
        "quantities": {place: _columns(found) for place, found in by_place.items()},
    }


def grid_rows(grid: Record) -> list[Record]:
    """The rows again, each with its ``penalty``, as in ``loss_constraint``."""
    rows: list[Record] = [{"penalty": penalty} for penalty in grid["penalties"]]
    for place, columns in grid["quantities"].items():
        *parents, name = place.split("/")
        for at, row in enumerate(rows):
            inner = row
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[name] = _quantity(columns, at)
    return rows


def _quantities(node: Record, place: str = "") -> Iterator[tuple[str, Record]]:
    for name, item in node.items():
        if isinstance(item, dict):
            if "kind" in item:
                yield f"{place}{name}", item
            else:
                yield from _quantities(item, f"{place}{name}/")


def _columns(found: list[Record]) -> Record:
    fields = dict.fromkeys(name for quantity in found for name in quantity)
    columns: Record = {"same": {}, "each": {}}
    if all(quantity["interval"] is not None for quantity in found):
        # Two flat lists, because a list of pairs takes four lines a pair in the file.
        del fields["interval"]
        for end, name in enumerate(_ENDS):
            columns["each"][name] = [quantity["interval"][end] for quantity in found]
    for name in fields:
        values = [quantity.get(name) for quantity in found]
        if all(value == values[0] for value in values):
            columns["same"][name] = values[0]
        else:
            columns["each"][name] = values
    return columns


def _quantity(columns: Record, at: int) -> Record:
    quantity = columns["same"] | {name: values[at] for name, values in columns["each"].items()}
    if _ENDS[0] in quantity:
        quantity["interval"] = [quantity.pop(end) for end in _ENDS]
    return {name: value for name, value in quantity.items() if value is not None or name not in _WHERE_NEEDED}
