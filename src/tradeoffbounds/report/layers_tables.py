"""Layers on the terminal: those that carry most of the drift, and the chain of frozen layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from tradeoffbounds.report.layers_reading import at_reference, removed, shares, without_one
from tradeoffbounds.report.quantities import marked, number, plain

Record = dict[str, Any]

#: Rows of each table.
_SHOWN = 8
_NONE = "-"


def layers_tables(method: Record) -> list[Table]:
    """Two tables of one method; none where layers were not asked for or there are none."""
    at = at_reference(method)
    if at is None:
        return []
    return [_carried(method, at), *([_freezing(method, at)] if at["freezing"] else [])]


def _carried(method: Record, at: Record) -> Table:
    layers, found, left = method["layers"]["layers"], shares(at), without_one(method, at)
    most = np.argsort(-np.abs(found), kind="stable")[:_SHOWN]
    listed = "" if len(most) == len(found) else f", the {len(most)} largest of {len(found)}"
    table = _table(
        f"Case II, {method['peft']}: layers of the drift at radius {at['radius']:g}, {marked(at['drift'])} in all"
        f"{listed}",
        "layer", "share", "of the gain", "cosine", "|grad G_s|", "|grad G_f|", "drift without",
        *(["top curvature"] if layers[0]["top_curvature"] else []),
    )  # fmt: skip
    table.columns[1].no_wrap = True
    for layer in most:
        row = layers[layer]
        table.add_row(
            str(layer),
            _share(at, layer),
            f"~{number(row['gain']):.1%}",
            _NONE if row["cosine"] is None else marked(row["cosine"]),
            marked(row["grad_norm_s"]),
            marked(row["grad_norm_f"]),
            f"p{plain(left[layer])}",
            *([marked(row["top_curvature"])] if row["top_curvature"] else []),
        )
    return table


def _share(at: Record, layer: int) -> str:
    values = at["shares"]
    text = f"p{plain(values['value'][layer], 2)}"
    if values["low"] is None:
        return text
    return f"{text} [{plain(values['low'][layer], 2)}, {plain(values['high'][layer], 2)}]"


def _freezing(method: Record, at: Record) -> Table:
    table = _table(
        f"Case II, {method['peft']}: the same step with layers frozen",
        "frozen layers", "gain kept", "first-order drift", "drift", "removed", "on other rows",
    )  # fmt: skip
    for frozen in at["freezing"][:_SHOWN]:
        other = frozen["removed_on_other_rows"]
        table.add_row(
            " ".join(map(str, frozen["layers"])),
            f"~{number(frozen['gain_kept']):.0%}",
            marked(frozen["first_order_drift"]),
            marked(frozen["drift"], interval=True),
            f"p{removed(at, frozen):.0%}",
            _NONE if other is None else f"~{number(other):.0%}",
        )
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    return table
