"""penalty.png: what the penalty did to the safety gap with every proxy, and the trade-off with every capability set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from tradeoffbounds.report.figure_style import (
    BLACK,
    GREY,
    SERIES_COLOURS,
    SERIES_MARKERS,
    SMALL,
    UNIT,
    Record,
    legend_below,
    literal,
    log_x_axis,
    page,
    panel_style,
)
from tradeoffbounds.report.quantities import ends, number, plain
from tradeoffbounds.report.validate_reading import Sweep, course, distinguishing, entry, hull, mean, method_text, sweeps

_DASHES = (0, (4, 1.5))
_START: dict[str, Any] = {"marker": "*", "markersize": 13, "markeredgecolor": BLACK, "markeredgewidth": 0.8}
_FREE: dict[str, Any] = {"marker": "X", "markersize": 10, "markeredgecolor": BLACK, "markeredgewidth": 0.8}


def penalty_figure(record: Record, runs: Sequence[Record]) -> Figure:
    """Safety gap over λ by proxy, and capability gap over safety gap by capability set (nats/response).

    Args:
        runs: of one method and objective, some of them with a penalty.
    """
    found = sweeps(runs, "penalty")
    left, right = _widest(found, "capability", "proxy"), _widest(found, "proxy", "capability")
    figure = page(record, _finding(left), (13.0, 7.2))
    over_penalty, trade_off = figure.subplots(1, 2)
    _penalty_panel(over_penalty, left)
    _trade_off_panel(trade_off, right)
    return figure


def _widest(found: Sequence[Sweep], fixed: str, varied: str) -> list[Sweep]:
    """The sweeps that share the value of ``fixed`` that has been tried with most values of ``varied``."""
    by_value: dict[str, list[Sweep]] = {}
    for sweep in found:
        by_value.setdefault(sweep.setting[fixed], []).append(sweep)
    return max(by_value.values(), key=lambda group: len({sweep.setting[varied] for sweep in group}))


def _finding(found: Sequence[Sweep]) -> str:
    labels, setting = distinguishing([sweep.setting for sweep in found], ["proxy"]), found[0].setting
    text = f"{method_text(setting)} on {entry('capability', setting['capability'])}: {course(found, labels, 'with')}"
    if free := found[0].without:
        text += f"; {found[0].without_name} it is {plain(mean(free, ('observed', 'safety_gap')), 2)}"
    return text


def _shared(found: Sequence[Sweep], part: str) -> str:
    return literal(entry(part, found[0].setting[part]))


def _style(place: int) -> tuple[str, str]:
    return SERIES_COLOURS[place % len(SERIES_COLOURS)], SERIES_MARKERS[place % len(SERIES_MARKERS)]


def _penalty_panel(axes: Axes, found: Sequence[Sweep]) -> None:
    labels = list(map(literal, distinguishing([sweep.setting for sweep in found], ["proxy"])))
    handles: list[Artist] = []
    for place, (sweep, label) in enumerate(zip(found, labels, strict=True)):
        colour, marker = _style(place)
        # Series side by side, so that their intervals do not cover one another.
        aside = 1.04 ** (place - (len(found) - 1) / 2)
        for value, group in sweep.points:
            for run in group:
                _interval(axes, run, value * aside, colour, marker)
        penalties = np.array([value for value, _ in sweep.points])
        gaps, predicted = (
            np.array([mean(group, (part, "safety_gap")) for _, group in sweep.points])
            for part in ("observed", "predicted")
        )
        axes.plot(penalties * aside, gaps, color=colour, linewidth=1.8, gid="observed")
        if np.isfinite(predicted).any():
            axes.plot(
                penalties * aside, predicted, color=colour, linewidth=1.2, linestyle=_DASHES, marker=marker,
                markersize=5, markerfacecolor="white", gid="predicted",
            )  # fmt: skip
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=7, linewidth=1.8, label=label))
    handles += _levels(axes, found)
    if any("safety_gap" in run["predicted"] for sweep in found for run in sweep.runs):
        handles.append(_predicted_handle())
    panel_style(
        axes, f"Safety gap over the penalty (capability: {_shared(found, 'capability')})", y=f"safety gap, {UNIT}"
    )
    axes.axhline(0, color=BLACK, linewidth=0.8)
    log_x_axis(axes, [value for sweep in found for value, _ in sweep.points])
    legend_below(axes, handles, columns=2)


def _interval(axes: Axes, run: Record, x: float, colour: str, marker: str) -> None:
    gap = run["observed"]["safety_gap"]
    value, (low, high) = number(gap), ends(gap)
    axes.errorbar(
        x, value, yerr=[[value - low], [high - value]], color=colour, marker=marker, markersize=7, capsize=3,
        linewidth=1.2, linestyle="none", zorder=4,
    )  # fmt: skip


def _levels(axes: Axes, found: Sequence[Sweep]) -> list[Artist]:
    """Horizontal lines: the same fine-tune without the penalty, and the model before it."""
    start = mean(found[0].runs, ("observed", "safety_gap_start"))
    handles: list[Artist] = [
        axes.axhline(
            start, color=GREY, linestyle=":", linewidth=1.6, label="before the fine-tune", zorder=1, gid="start"
        )
    ]
    free = {tuple(run["id"] for run in sweep.without): sweep for sweep in found if sweep.without}
    for sweep in free.values():
        level = mean(sweep.without, ("observed", "safety_gap"))
        axes.axhspan(*hull(ends(run["observed"]["safety_gap"]) for run in sweep.without), color=GREY, alpha=0.15, lw=0)
        handles.append(
            axes.axhline(level, color=GREY, linewidth=2.2, label=sweep.without_name, zorder=1, gid="without penalty")
        )
    return handles


def _predicted_handle() -> Line2D:
    return Line2D(
        [], [], color=GREY, linewidth=1.2, linestyle=_DASHES, marker="o", markersize=5, markerfacecolor="white",
        label="dashed: predicted",
    )  # fmt: skip


def _trade_off_panel(axes: Axes, found: Sequence[Sweep]) -> None:
    """Capability gap over safety gap along λ, each point with its λ."""
    labels = list(map(literal, distinguishing([sweep.setting for sweep in found], ["capability"])))
    handles: list[Artist] = []

    for place, (sweep, label) in enumerate(zip(found, labels, strict=True)):
        colour, marker = _style(place)
        for _, group in sweep.points:
            for run in group:
                _cross(axes, run, colour)
        observed, predicted = (_curve(sweep, part) for part in ("observed", "predicted"))
        axes.plot(*observed, color=colour, marker=marker, markersize=7, linewidth=1.8, zorder=4, gid="observed")
        # To either side of a falling curve, so that two curves' labels keep apart.
        side = 1 if place % 2 else -1
        for (penalty, _), x, y in zip(sweep.points, *observed, strict=True):
            axes.annotate(
                f"{penalty:g}", (x, y), xytext=(7 * side, 6 * side), textcoords="offset points", size=SMALL,
                color=colour, ha="left" if side > 0 else "right", va="bottom" if side > 0 else "top", zorder=6,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )  # fmt: skip
        if np.isfinite(predicted).all(axis=0).any():
            axes.plot(
                *predicted, color=colour, linewidth=1.2, linestyle=_DASHES, marker=marker, markersize=5,
                markerfacecolor="white", gid="predicted",
            )  # fmt: skip
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=7, linewidth=1.8, label=label))
        marked: tuple[tuple[Sequence[Record], str, dict[str, Any]], ...] = (
            (sweep.runs, "_start", _START), (sweep.without, "", _FREE),
        )  # fmt: skip
        for runs, suffix, style in marked:
            if runs:
                x, y = (mean(runs, ("observed", f"{gap}{suffix}")) for gap in ("safety_gap", "capability_gap"))
                axes.plot(x, y, color=colour, linestyle="none", zorder=5, **style)

    handles.append(Line2D([], [], color=GREY, linestyle="none", **_START, label="before the fine-tune"))
    if any(sweep.without for sweep in found):
        handles.append(Line2D([], [], color=GREY, linestyle="none", **_FREE, label=found[0].without_name))
    if any("capability_gap" in run["predicted"] for sweep in found for run in sweep.runs):
        handles.append(_predicted_handle())
    panel_style(
        axes, f"Trade-off, each point with its λ (proxy: {_shared(found, 'proxy')})", x=f"safety gap, {UNIT}",
        y=f"capability gap, {UNIT}",
    )  # fmt: skip
    legend_below(axes, handles, columns=2)


def _curve(sweep: Sweep, part: str) -> np.ndarray:
    """Safety and capability gap along λ, shape (2, points); NaN where one is not given."""
    return np.array(
        [[mean(group, (part, gap)) for _, group in sweep.points] for gap in ("safety_gap", "capability_gap")]
    )


def _cross(axes: Axes, run: Record, colour: str) -> None:
    """One run's intervals in both gaps."""
    x, y = (run["observed"][gap] for gap in ("safety_gap", "capability_gap"))
    axes.plot(ends(x), [number(y)] * 2, color=colour, linewidth=0.9, alpha=0.5)
    axes.plot([number(x)] * 2, ends(y), color=colour, linewidth=0.9, alpha=0.5)
