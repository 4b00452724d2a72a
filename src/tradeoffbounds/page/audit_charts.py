"""Charts of `audit`: every category before and after, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tradeoffbounds.page.parts import Chart
from tradeoffbounds.page.plots import layout, literal, plain_figure, translucent
from tradeoffbounds.report.audit_reading import BETTER, NAMES, OFF, ON, Row, change_text, got_worse, p_text
from tradeoffbounds.report.figure_style import BLUE, GREEN, GREY, WARNING
from tradeoffbounds.report.quantities import ends, number, plain

Record = dict[str, Any]

_APART = 0.18
#: What a category's mark says of its change: name, colour, symbol.
_MARKS = {
    "worse": (f"{ON}, significantly worse", WARNING, "diamond"),
    "better": (f"{ON}, significantly better", GREEN, "square"),
    "": (ON, BLUE, "circle"),
}
_CHANCE = 1 / 3


def dots_chart(rows: Sequence[Row], title: str, *, compared: bool) -> Chart:
    """A row each, the first on top: before above after, and between them how far it moved.

    Args:
        rows: of one measure.
    """
    measure = rows[0].measure
    figure = go.Figure()
    sides = [(place, row, row.quantity("before"), row.quantity("after")) for place, row in enumerate(rows)]
    x: list[float | None] = []
    y: list[float | None] = []
    for place, _, before, after in sides:
        if before is not None and after is not None:
            x += [number(before), number(after), None]
            y += [place - _APART, place + _APART, None]
    if x:
        figure.add_scatter(x=x, y=y, mode="lines", line={"color": GREY, "width": 1}, showlegend=False, hoverinfo="skip")
        _points(figure, [(place - _APART, row, before) for place, row, before, _ in sides if before is not None],
                OFF, GREY, "circle-open")  # fmt: skip
    for word, (name, colour, symbol) in _MARKS.items():
        own = [(place + (_APART if row.before is not None else 0.0), row, after) for place, row, _, after in sides
               if after is not None and _change(row) == word]  # fmt: skip
        if own:
            _points(figure, own, name if compared else "measured", colour, symbol)
    shown = [end for _, _, *both in sides for side in both if side is not None for end in ends(side)]
    low, high = (0.0, 1.0) if measure != "bias" else (min([-0.1, *shown]), max([0.1, *shown]))
    margin = 0.03 * (high - low)
    for value, dash in ((_CHANCE, "dot"),) if measure == "accuracy" else ((0.0, "solid"),) if measure == "bias" else ():
        figure.add_scatter(
            x=[value, value], y=[-0.6, len(rows) - 0.4], mode="lines", hoverinfo="skip",
            showlegend=measure == "accuracy",
            name="chance", line={"color": GREY, "dash": dash, "width": 1.2},
        )  # fmt: skip
    label = f"{NAMES[measure]} ({BETTER[measure]})"
    figure.update_layout(layout(
        label, "", xaxis={"range": [low - margin, high + margin]},
        yaxis={"range": [len(rows) - 0.4, -0.6], "tickmode": "array", "tickvals": list(range(len(rows))),
            "showgrid": False,
               "ticktext": [_label(row) for row in rows], "ticks": "", "showline": False},
    ))  # fmt: skip
    data, frame = plain_figure(figure)
    return Chart(
        title,
        _finding(rows),
        data,
        frame,
        150 + 46 * len(rows),
        None,
        "Lines: confidence interval of each rate or score.",
    )


def _points(figure: go.Figure, own: Sequence[tuple[float, Row, Record]], name: str, colour: str, symbol: str) -> None:
    values = [number(found) for *_, found in own]
    spans = [ends(found) for *_, found in own]
    figure.add_scatter(
        x=values, y=[place for place, *_ in own], mode="markers", name=name, hoverinfo="text",
        marker={"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2}},
        error_x={
            "type": "data", "symmetric": False,
            "array": [high - value for value, (_, high) in zip(values, spans, strict=True)],
            "arrayminus": [value - low for value, (low, _) in zip(values, spans, strict=True)],
            "color": translucent(colour, 0.6), "thickness": 1.5, "width": 0,
        },
        hovertext=[_told(row, name, value, span) for (_, row, _), value, span in zip(own, values, spans, strict=True)],
    )  # fmt: skip


def _told(row: Row, name: str, value: float, span: tuple[float, float]) -> str:
    text = f"{literal(row.name)}, {name}: {plain(value, 2)} ({plain(span[0], 2)} to {plain(span[1], 2)})"
    if row.change is None or name == OFF:
        return text
    return f"{text}<br>change {change_text(row)}, adjusted p {p_text(row.change['p_adjusted'])}"


def _change(row: Row) -> str:
    if row.change is None or not row.change["significant"]:
        return ""
    return "worse" if got_worse(row.change, row.measure) else "better"


def _label(row: Row) -> str:
    if row.status != "ok":
        return f"{literal(row.name, 20)}<br>{literal(row.status)}"
    if row.quantity("after") is None:
        return f"{literal(row.name, 20)}<br>no score"
    return literal(row.name, 20)


def _finding(rows: Sequence[Row]) -> str:
    told = []
    for row in rows:
        before, after = row.quantity("before"), row.quantity("after")
        if after is None:
            told.append(f"{row.name}: {'no score' if row.status == 'ok' else row.status}")
        elif before is None:
            told.append(f"{row.name}: {plain(number(after), 2)}")
        else:
            word = _change(row)
            told.append(
                f"{row.name}: {plain(number(before), 2)} to {plain(number(after), 2)}"
                f"{f', significantly {word}' if word else ''}"
            )
    return f"{NAMES[rows[0].measure].capitalize()} of each: {'; '.join(told)}."
