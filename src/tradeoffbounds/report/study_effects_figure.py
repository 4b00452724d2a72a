"""effects.png: every run by the level of each choice, an outcome a panel, with what the choice explains."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoffbounds.report.figure_style import (
    BLACK,
    GREY,
    SERIES_COLOURS,
    SERIES_MARKERS,
    SMALL,
    TEXT,
    Record,
    dot,
    literal,
    page,
    panel_style,
)
from tradeoffbounds.report.study_reading import (
    OUTCOMES,
    Cell,
    asked,
    cells,
    factor_text,
    factors,
    level_text,
    levels_text,
    share_text,
    title,
)

_COLUMNS = 2
_JITTER = 0.16


def effects_figure(record: Record) -> Figure:
    """One panel an outcome; a row a level: small dots are runs, large ones means over complete blocks."""
    outcomes = list(record["factors"])
    rows = -(-len(outcomes) // _COLUMNS)
    height = 2.2 + rows * (0.9 + 0.33 * sum(len(_levels(record, factor)) for factor in factors(record)))
    legend = [dot("a run", GREY, markersize=4), dot("mean over blocks alike in all else", markersize=9)]
    figure = page(asked(record), _finding(record), (13.0, height), legend=legend)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes, outcome in zip(grid.flat, outcomes, strict=False):
        _panel(axes, record, outcome)
    for axes in list(grid.flat)[len(outcomes) :]:
        axes.set_axis_off()
    return figure


def _levels(record: Record, factor: str) -> list[str]:
    return list(dict.fromkeys(run["setting"][factor] for run in record["runs"]))


def _panel(axes: Axes, record: Record, outcome: str) -> None:
    rng = np.random.default_rng(0)  # for where a dot lies in its row
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for place, cell in enumerate(cell for cell in cells(record) if cell.outcome == outcome):
        colour, marker = SERIES_COLOURS[place % len(SERIES_COLOURS)], SERIES_MARKERS[place % len(SERIES_MARKERS)]
        top = y
        for level in _levels(record, cell.factor):
            values = _values(record, outcome, cell.factor, level)
            scattered = y + rng.uniform(-_JITTER, _JITTER, len(values))
            axes.plot(values, scattered, ".", color=colour, alpha=0.5, markersize=6, gid=f"runs {cell.factor} {level}")
            if level in cell.effect["levels"]:
                mean = cell.effect["levels"][level]["mean"]
                axes.plot(mean, y, marker, color=colour, markersize=9, markeredgecolor=BLACK, zorder=4, gid="mean")
            ticks.append((y, literal(level_text(cell.factor, level))))
            y -= 1
        axes.annotate(
            literal(_told(cell)), (1.0, (top + y + 1) / 2), xycoords=("axes fraction", "data"), xytext=(6, 0),
            textcoords="offset points", va="center", size=SMALL, annotation_clip=False,
            weight="bold" if cell.effect["significant"] else "normal",
        )  # fmt: skip
        axes.axhline(y + 0.5, color="#E4E4E4", linewidth=0.8)
    axes.axvline(0, color=BLACK, linewidth=0.8)
    named = OUTCOMES[outcome]
    panel_style(axes, title(record, outcome), x=f"{named.unit} ({named.better})", y="")
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=TEXT)
    axes.set_ylim(y + 0.5, 0.5)
    axes.grid(visible=False)


def _values(record: Record, outcome: str, factor: str, level: str) -> list[float]:
    found = [run["outcomes"][outcome] for run in record["runs"] if run["setting"][factor] == level]
    return [quantity["value"] for quantity in found if quantity is not None and quantity["value"] is not None]


def _told(cell: Cell) -> str:
    star = "*" if cell.effect["significant"] else ""
    return f"{factor_text(cell.factor)}\n{share_text(cell.effect)}{star}"


def _finding(record: Record) -> str:
    found = [cell for cell in cells(record) if cell.effect["significant"]]
    runs = len(record["runs"])
    if not found:
        tests = [cell for cell in cells(record) if cell.effect["share"] is not None]
        most = max(tests, key=lambda cell: cell.effect["share"], default=None)
        text = f"In {runs} fine-tunes no choice had an effect that could be told from chance over {len(tests)} tests"
        if most is None:
            return text
        return f"{text}; most is explained of the {OUTCOMES[most.outcome].label}: {share_text(most.effect)} by " + (
            f"{factor_text(most.factor)} ({levels_text(most)})"
        )
    first = max(found, key=lambda cell: cell.effect["share"])
    return (
        f"{len(found)} of {len(list(cells(record)))} effects are significant in {runs} fine-tunes (*); clearest: "
        f"{factor_text(first.factor)} explains {share_text(first.effect)} of the {OUTCOMES[first.outcome].label} "
        f"({levels_text(first)})"
    )
