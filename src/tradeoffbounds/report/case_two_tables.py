"""Case II on the terminal: bounds, gains and drifts by radius, the constants behind them, methods side by side."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from tradeoffbounds.report.case_two_reading import gains, methods_of, too_far
from tradeoffbounds.report.layers_tables import layers_tables
from tradeoffbounds.report.quantities import marked, plain

Record = dict[str, Any]

_NONE = "-"
_VARIANTS = ("paper", "refined")
_CONSTANTS = ("L_s", "S_s", "L_f_prime")


def case_two_tables(record: Record) -> list[Table]:
    """A few tables a method, and one of all where there are several; none where Case II was not asked for."""
    tables = []
    for method in methods_of(record):
        tables += [_radii(method), *_proved(method), _constants(method), *layers_tables(method)]
    if record.get("method_comparison") is not None:
        tables.append(_comparison(record["method_comparison"]))
    return tables


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")  # a number that is cut short is another number
    return table


def _or_none(quantity: Record | None) -> str:
    return _NONE if quantity is None else "too far" if too_far(quantity) else marked(quantity)


def _radii(method: Record) -> Table:
    start = method["offset"]["safety_gap"]
    before = f"\nsafety gap before any step: {marked(start, interval=True)}" if start["value"] != 0 else ""
    table = _table(
        f"Case II, {method['peft']}: safety gap and gain in the ball ({method['parameters']:,} parameters, "
        f"{method['rows']} rows){before}",
        "radius", "Thm 3 paper", "Thm 3 refined", "gain at least", "at most", "drift", "safest drift",
    )  # fmt: skip
    for at in method["radii"]:
        gain = gains(method, at)
        table.add_row(
            f"{at['radius']:g}",
            *(marked(at["theorem3"][name]) for name in _VARIANTS),
            *(marked(gain[end]) for end in ("at_least", "at_most")),
            *(_or_none(at[name]) for name in ("drift", "safest_drift")),
        )
    return table


def _proved(method: Record) -> list[Table]:
    """Theorem 3 with proved constants, for the method that has them."""
    if not any(at["certified"] for at in method["radii"]):
        return []
    table = _table(f"Case II, {method['peft']}: proved constants", "radius", "Thm 3 paper", "Thm 3 refined")
    for at in method["radii"]:
        table.add_row(f"{at['radius']:g}", *(_or_none(at["certified"].get(name)) for name in _VARIANTS))
    return [table]


def _constants(method: Record) -> Table:
    norms = [marked(method["constants"][f"grad_norm_{gap}"]) for gap in ("s", "f")]
    table = _table(
        f"Case II, {method['peft']}: constants over the ball, largest found .. estimate\n"
        f"at the start |grad G_s| {norms[0]}, |grad G_f| {norms[1]}; per unit, curvatures per unit²",
        "radius", "L_s, gradient of G_s", "S_s, curvature of G_s", "L'_f, curvature of G_f",
    )  # fmt: skip
    for at in method["radii"]:
        table.add_row(f"{at['radius']:g}", *(" .. ".join(_ends(at["constants"][name])) for name in _CONSTANTS))
    return table


def _ends(constant: Record) -> list[str]:
    """Largest found, estimate, and what is proved where there is that."""
    return [marked(constant[kind]) for kind in ("lower", "estimate", "certified") if kind in constant]


def _comparison(comparison: Record) -> Table:
    gain = comparison["gain"]
    table = _table(
        "Case II: no method gains anything inside the largest radius"
        if gain is None
        else f"Case II: what a gain of {marked(gain)} against the aligned model costs in safety",
        "method", "parameters", "start", "L_s", "S_s", "step", "drift", "cost",
    )  # fmt: skip
    for row in comparison["methods"]:
        table.add_row(
            row["peft"],
            f"{row['parameters']:,}",
            marked(row["offset"]),
            marked(row["L_s"]),
            marked(row["S_s"]),
            _NONE if row["distance"] is None else f"p{plain(row['distance'])}",
            _or_none(row["drift"]),
            _or_none(row["cost"]),
        )
    table.columns[0].justify, table.columns[0].no_wrap = "left", True
    return table
