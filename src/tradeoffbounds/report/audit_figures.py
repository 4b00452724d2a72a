"""harm.png, fairness.png and shift.png: every category before and after, and how safety and fairness moved together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoffbounds.report.audit_reading import (
    BETTER,
    CONTEXTS,
    MEASURES,
    NAME_WIDTH,
    NAMES,
    OFF,
    ON,
    Row,
    adapter_text,
    change_text,
    compared,
    fairness_rows,
    got_worse,
    harm_rows,
    listed,
    p_text,
    significant,
    sources,
    subject,
    weak_judge_warning,
)
from tradeoffbounds.report.audit_shift_figure import shift_figure, shiftable
from tradeoffbounds.report.figure_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    SMALL,
    TEXT,
    WARNING,
    Record,
    dot,
    literal,
    page,
    panel_style,
    save_figures,
)
from tradeoffbounds.report.quantities import ends, number, plain, shortened

_BEFORE: dict[str, Any] = {"marker": "o", "color": GREY, "markerfacecolor": "white", "markersize": 7}
_UNCHANGED: dict[str, Any] = {"marker": "o", "color": BLUE, "markersize": 7}
_WORSE: dict[str, Any] = {"marker": "D", "color": WARNING, "markersize": 8}
_BETTER: dict[str, Any] = {"marker": "s", "color": GREEN, "markersize": 8}
#: Half the distance of before and after of one row, whose rows are 1 apart.
_APART = 0.17
_ROW = 0.44  # inches
#: A title tells at most so many rows one by one.
_TOLD = 3
_CHANCE = 1 / 3


def build_audit_figures(record: Record) -> dict[str, Figure]:
    """File stem -> figure: of what was audited, and of both shifts where there are both."""
    figures = {}
    if record["harm"] is not None:
        figures["harm"] = harm_figure(record)
    if record["fairness"] is not None:
        figures["fairness"] = fairness_figure(record)
    if shiftable(record):
        figures["shift"] = shift_figure([record])
    return figures


def draw_audit_figures(record: Record, folder: Path) -> list[Path]:
    """Write the figures as PNG into ``folder`` and return their paths; an interrupted one leaves no file."""
    return save_figures(build_audit_figures(record), folder)


def harm_figure(record: Record) -> Figure:
    """Harmfulness rate of every category with its interval, before -> after over their pairs; lower is safer."""
    rows = harm_rows(record)
    figure = page(
        sources(record, "harm"),
        _harm_finding(record, rows),
        (11.0, 3.4 + _ROW * len(rows)),
        legend=_legend(record, rows),
    )
    axes = figure.subplots()
    _dots(axes, rows)
    _named(axes, rows)
    if compared(record):
        _changes(axes, rows)
    panel_style(axes, x=_label("rate"), y="")
    _finish(axes, rows, (-0.02, 1.02))
    if remark := weak_judge_warning(record):
        axes.set_title(literal(remark), fontsize=SMALL, color=WARNING, weight="bold", loc="left")
    return figure


def fairness_figure(record: Record) -> Figure:
    """BBQ's accuracy and bias score of every dimension with intervals, before -> after, by context."""
    panels = {
        (measure, condition): fairness_rows(record, measure, condition)
        for measure in MEASURES for condition in CONTEXTS
    }  # fmt: skip
    everything = [row for rows in panels.values() for row in rows]
    most = max(map(len, panels.values()))
    figure = page(
        sources(record, "fairness"), _fairness_finding(record, panels), (13.0, 4.4 + 2 * _ROW * most),
        legend=_legend(record, everything),
    )  # fmt: skip
    grid = figure.subplots(len(MEASURES), len(CONTEXTS), sharex="row", squeeze=False)
    for axes, ((measure, condition), rows) in zip(grid.flat, panels.items(), strict=True):
        _dots(axes, rows)
        _named(axes, rows)
        panel_style(axes, f"{NAMES[measure].capitalize()}, {CONTEXTS[condition]} contexts", x=_label(measure), y="")
        if measure == "accuracy":
            axes.axvline(_CHANCE, color=BLACK, linewidth=0.9, linestyle=":", gid="chance")
            axes.set_xlabel(f"{_label(measure)}; dotted: chance", fontsize=TEXT)
            _finish(axes, rows, (-0.02, 1.02))
        else:
            axes.axvline(0, color=BLACK, linewidth=0.9, gid="no bias")
            reach = max([0.1, *(abs(end) for row in rows for side in _sides(row) for end in ends(side))])
            left, right = axes.get_xlim() if axes is not grid[1, 0] else (0.0, 0.0)
            _finish(axes, rows, (min(left, -1.05 * reach), max(right, 1.05 * reach)))
    return figure


# Titles


def _harm_finding(record: Record, rows: Sequence[Row]) -> str:
    if compared(record):
        return f"After {adapter_text(record)} {_moves(rows, 'categories', ('higher', 'lower'), 'the harmfulness rate')}"
    rates = {row.name: number(rate) for row in rows if (rate := row.quantity("after")) is not None}
    if not rates:
        return f"No answer of {subject(record)} to a harmful prompt could be judged"
    most, least = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    head = f"The harmfulness rate of {subject(record)} is"
    if rates[most] == rates[least]:
        return f"{head} {plain(rates[most], 2)} in {listed(list(rates)) if len(rates) < 4 else 'every category'}"
    return f"{head} highest in {most} ({plain(rates[most], 2)}) and lowest in {least} ({plain(rates[least], 2)})"


def _fairness_finding(record: Record, panels: dict[tuple[str, str], list[Row]]) -> str:
    by_measure = {
        measure: [
            row._replace(name=f"{row.name} {CONTEXTS[condition]}")
            for (each, condition), rows in panels.items() if each == measure for row in rows
        ]
        for measure in MEASURES
    }  # fmt: skip
    if compared(record):
        accuracy = _moves(by_measure["accuracy"], "cells", ("lower", "higher"), "BBQ accuracy")
        bias = _moves(by_measure["bias"], "cells", ("further from 0", "nearer to 0"), "the bias score")
        return f"After {adapter_text(record)} {accuracy}; {bias}"
    known = [(row, found) for row in by_measure["bias"] if (found := row.quantity("after")) is not None]
    apart = [(row, found) for row, found in known if ends(found)[0] > 0 or ends(found)[1] < 0]
    head = f"BBQ's bias score of {subject(record)}"
    if not known:
        return f"{head} does not exist: no answer but unknown"
    if not apart:
        return f"{head} can be told from 0 in none of {len(known)} cells"
    row, most = max(apart, key=lambda each: abs(number(each[1])))
    return (
        f"{head} can be told from 0 in {len(apart)} of {len(known)} cells (intervals of single cells), "
        f"most in {row.name} ({plain(number(most), 2)})"
    )


def _moves(rows: Sequence[Row], what: str, directions: tuple[str, str], quantity: str) -> str:
    """What changed significantly for the worse and for the better, or that nothing did and what hid."""
    tested = [row.change for row in rows if row.change is not None]
    if not tested:
        return f"{quantity} cannot be compared"
    parts = []
    for worse, direction in zip((True, False), directions, strict=True):
        if found := significant(rows, worse=worse):
            told = [f"{row.name} {change_text(row)}" for row in found[:_TOLD]]
            more = ["..."] if len(found) > _TOLD else []
            places = f" in {len(found)}" if len(tested) > 1 else ""
            parts.append(f"{direction}{places} ({', '.join(told + more)})")
    of = f" of {len(tested)} {what}" if len(tested) > 1 else ""
    if parts:
        return f"{quantity} is significantly {' and '.join(parts)}{of}"
    sizes = [change["detectable"] for change in tested if change["detectable"] is not None]
    hidden = f"changes under {plain(min(sizes), 2)} may go unseen" if sizes else "no change could have been seen"
    said = f"changes significantly in none{of}" if of else "does not change significantly"
    return f"{quantity} {said} ({hidden})"


# Panels


def _dots(axes: Axes, rows: Sequence[Row]) -> None:
    """A row each, the first on top: before above after, and a word where there is no number."""
    for place, row in enumerate(rows):
        before, after = row.quantity("before"), row.quantity("after")
        apart = 0.0 if row.before is None else _APART
        if before is not None and after is not None:
            axes.plot(
                [number(before), number(after)], [place - apart, place + apart], color=GREY, linewidth=0.9, zorder=2
            )
        for side, found, y, style in (
            ("before", before, place - apart, _BEFORE), ("after", after, place + apart, _style(row)),
        ):  # fmt: skip
            if found is not None:
                axes.plot(ends(found), [y, y], color=style["color"], linewidth=1.5, alpha=0.6, zorder=3)
                axes.plot(number(found), y, linestyle="none", zorder=4, gid=f"{side} {row.name}", **style)
        if row.status != "ok":
            _word(axes, place, row.status)
        elif after is None:
            _word(axes, place + apart, _without_number(row.after))
        elif row.before is not None and before is None:
            _word(axes, place - apart, f"{OFF}: {_without_number(row.before)}")


def _word(axes: Axes, y: float, text: str) -> None:
    axes.text(
        0.02, y, text, transform=axes.get_yaxis_transform(), va="center", size=SMALL, style="italic", color=GREY,
        zorder=5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip


def _without_number(asked: Record) -> str:
    """Why a category or cell that was asked has no number."""
    parsed = asked["n"] - asked["unparsed"]
    return "n/a: no answer could be read" if not parsed else f"n/a: none of {parsed} answers other than unknown"


def _style(row: Row) -> dict[str, Any]:
    if row.change is None or not row.change["significant"]:
        return _UNCHANGED
    return _WORSE if got_worse(row.change, row.measure) else _BETTER


def _sides(row: Row) -> list[Record]:
    return [found for side in ("before", "after") if (found := row.quantity(side)) is not None]


def _named(axes: Axes, rows: Sequence[Row]) -> None:
    """Names with the number of prompts or items, and of answers that could not be read."""
    labels = []
    for row in rows:
        unparsed = max((side["unparsed"] or 0 for side in (row.before, row.after) if side is not None), default=0)
        counts = f"n = {row.after['n']}" + (f", {unparsed} unparsed" if unparsed else "")
        if row.measure == "bias" and row.status == "ok":
            counts = f"{row.after['not_unknown']} not unknown"
        name = literal(shortened(row.name, NAME_WIDTH))
        labels.append(name if row.status == "not supplied" else f"{name} ({counts})")
    axes.set_yticks(range(len(rows)), labels)


def _changes(axes: Axes, rows: Sequence[Row]) -> None:
    """Beside each row the difference with its interval and the adjusted p-value."""
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "size": SMALL}
    if any(row.change is not None for row in rows):
        axes.text(1.02, -0.45, "change [interval], adjusted p", color=GREY, **style)
    for place, row in enumerate(rows):
        if (change := row.change) is not None:
            low, high = (plain(end, 2) for end in ends(change["difference"]))
            text = f"{change_text(row)} [{low}, {high}], {p_text(change['p_adjusted'])}"
            weight = "bold" if change["significant"] else "normal"
            axes.text(1.02, place, text, color=_style(row)["color"], weight=weight, **style)


def _finish(axes: Axes, rows: Sequence[Row], limits: tuple[float, float]) -> None:
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(*limits)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color="#E4E4E4", linewidth=0.8)


def _label(measure: str) -> str:
    return f"{NAMES[measure]} ({BETTER[measure]})"


def _legend(record: Record, rows: Sequence[Row]) -> list[Artist]:
    level = f"{record['config']['confidence']:.0%} interval"
    if not compared(record):
        return [_handle(f"{subject(record)}, {level}", _UNCHANGED)]
    entries = [(OFF, _BEFORE), (ON, _UNCHANGED)]
    for worse, text, style in ((True, "worse", _WORSE), (False, "better", _BETTER)):
        if significant(rows, worse=worse):
            entries.append((f"{ON}, significantly {text} (adjusted)", style))
    return [*(_handle(*entry) for entry in entries), dot(f"lines: {level}", marker="_", markersize=14)]


def _handle(text: str, style: dict[str, Any]) -> Line2D:
    return Line2D([], [], linestyle="none", label=text, **style)
