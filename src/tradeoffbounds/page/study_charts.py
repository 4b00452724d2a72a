"""Charts of `study`: what each choice did to each outcome, and which fine-tunes no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tradeoffbounds.page.parts import Chart
from tradeoffbounds.page.plots import height, layout, literal, plain_figure, translucent
from tradeoffbounds.report.figure_style import BLUE, GREY, SERIES_COLOURS, WARNING
from tradeoffbounds.report.quantities import number, plain
from tradeoffbounds.report.study_reading import (
    COSTS,
    OUTCOMES,
    Cell,
    capitalised,
    cells,
    cost_text,
    factor_text,
    level_text,
    levels_text,
    setting_text,
    share_text,
    title,
)

Record = dict[str, Any]


def effects_chart(record: Record, outcome: str) -> Chart:
    """A row for every level of every choice: runs as small dots, the mean over complete blocks as a large one."""
    figure = go.Figure()
    labels: list[str] = []
    row = [cell for cell in cells(record) if cell.outcome == outcome]
    for cell in row:
        _levels(figure, record, cell, labels)
    figure.add_scatter(
        x=[0, 0], y=[-0.6, len(labels) - 0.4], mode="lines", line={"color": GREY, "width": 1}, showlegend=False,
        hoverinfo="skip",
    )  # fmt: skip
    words = OUTCOMES[outcome]
    figure.update_layout(layout(
        f"{words.unit} ({words.better})", "",
        yaxis={"range": [len(labels) - 0.4, -0.6], "tickmode": "array", "tickvals": list(range(len(labels))),
               "ticktext": [literal(label, 28, 1) for label in labels], "ticks": "", "showline": False,
               "showgrid": False},
        showlegend=False,
    ))  # fmt: skip
    data, frame = plain_figure(figure)
    finding = "; ".join(
        f"{factor_text(cell.factor)}: {levels_text(cell) or 'no complete block'}, share {share_text(cell.effect)}"
        f"{', significant' if cell.effect['significant'] else ''}"
        for cell in row
    )
    return Chart(
        title(record, outcome), f"Mean of each level: {finding}.", data, frame, 90 + 30 * len(labels),
        remark="Small: a fine-tune. Large: mean over blocks alike in all else; a diamond where significant.",
    )  # fmt: skip


def _levels(figure: go.Figure, record: Record, cell: Cell, labels: list[str]) -> None:
    settings = [run["setting"][cell.factor] for run in record["runs"]]
    for level in dict.fromkeys(settings):
        place = len(labels)
        labels.append(level_text(cell.factor, level))
        own = [
            (number(run["outcomes"][cell.outcome]), setting_text(record, which))
            for which, run in enumerate(record["runs"])
            if settings[which] == level and run["outcomes"][cell.outcome] is not None
        ]
        figure.add_scatter(
            x=[value for value, _ in own], y=[place] * len(own), mode="markers", hoverinfo="text",
            marker={"color": translucent(GREY, 0.55), "size": 6}, showlegend=False,
            hovertext=[f"{literal(name)}: {plain(value, 2)}" for value, name in own],
        )  # fmt: skip
        if mean := cell.effect["levels"].get(level):
            significant = cell.effect["significant"]
            figure.add_scatter(
                x=[mean["mean"]], y=[place], mode="markers", hoverinfo="text", showlegend=False,
                marker={"color": WARNING if significant else BLUE, "size": 12,
                        "symbol": "diamond" if significant else "circle"},
                hovertext=[f"{literal(labels[-1])}: mean {plain(mean['mean'], 2)}"],
            )  # fmt: skip


def front_chart(record: Record, front: Record, x: str, y: str) -> Chart:
    """Two of the three costs of every fine-tune; filled where no other beats it in all three."""
    figure = go.Figure()
    methods = list(dict.fromkeys(record["runs"][run["run"]]["setting"]["method"] for run in front["runs"]))
    for method, colour in zip(methods, SERIES_COLOURS, strict=False):
        for on_front, symbol in ((True, "circle"), (False, "circle-open")):
            own = [
                run for run in front["runs"]
                if record["runs"][run["run"]]["setting"]["method"] == method and run["on_front"] == on_front
                and run[x] is not None and run[y] is not None
            ]  # fmt: skip
            if own:
                figure.add_scatter(
                    x=[run[x] for run in own], y=[run[y] for run in own], mode="markers", hoverinfo="text",
                    name=f"{literal(method)}, {'beaten by none' if on_front else 'beaten'}",
                    marker={"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2}},
                    hovertext=[_told(record, run) for run in own],
                )  # fmt: skip
    figure.update_layout(layout(literal(cost_text(record, x)), literal(cost_text(record, y))))
    data, frame = plain_figure(figure)
    return Chart(
        f"{capitalised(COSTS[x].label)} and {COSTS[y].label}",
        _finding(record, front["runs"], x, y),
        data,
        frame,
        height(figure, 320),
    )


def _told(record: Record, run: Record) -> str:
    costs = ", ".join(f"{cost.label} {plain(run[name], 3)}" for name, cost in COSTS.items() if run[name] is not None)
    return (
        f"{literal(setting_text(record, run['run']))}<br>{costs}<br>"
        f"on the front in {100 * run['resamples_on_front']:.0f}% of resamples"
    )


def _finding(record: Record, runs: Sequence[Record], x: str, y: str) -> str:
    told = "; ".join(
        f"{setting_text(record, run['run'])}: {plain(run[x], 2)} and {plain(run[y], 3)}"
        for run in runs
        if run["on_front"] and run[x] is not None and run[y] is not None
    )
    return f"Beaten by no other: {told or 'none that was measured in both'}."
