"""ball.png: what fine-tunes inside a ball did to both gaps, beside Theorem 3."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

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
    signed_log_axis,
)
from tradeoffbounds.report.quantities import ends, number, plain
from tradeoffbounds.report.validate_reading import Sweep, by_bound, course, distinguishing, mean, method_text, sweeps

_RADIUS = "radius ε (Euclidean norm of the step)"
_DASHES = (0, (4, 1.5))
_BOUNDS: dict[str, tuple[str, dict[str, Any]]] = {
    "theorem3.paper": ("Theorem 3 (paper)", {"color": BLACK, "marker": "s", "markerfacecolor": "white"}),
    "theorem3.refined": ("Theorem 3 (refined)", {"color": GREY, "marker": "o", "markerfacecolor": "white"}),
}


def ball_figure(record: Record, runs: Sequence[Record]) -> Figure:
    """Safety gap and capability gap (nats/response) over the radius, with the bounds of Theorem 3.

    Args:
        runs: of one method and objective, some of them with a radius above 0.
    """
    found = [each for each in map(_above_zero, sweeps(runs, "radius")) if each.points]
    labels = distinguishing([sweep.setting for sweep in found], ["capability"])
    figure = page(record, _finding(found, labels), (13.0, 7.2))
    safety, capability = figure.subplots(1, 2)
    _safety_panel(safety, found, labels)
    _capability_panel(capability, found, labels)
    return figure


def _above_zero(sweep: Sweep) -> Sweep:
    """Without the ball of radius 0, which has no place on a logarithmic axis: nothing moves in it."""
    return replace(sweep, points=[(radius, runs) for radius, runs in sweep.points if radius > 0])


def _finding(found: Sequence[Sweep], labels: Sequence[str]) -> str:
    text = f"{method_text(found[0].setting)} in a ball: {course(found, labels, 'on')}"
    judged = by_bound({"runs": [run for sweep in found for run in sweep.runs]})
    held = [
        f"{sum(each.word != 'violated' for each in judged[name])} of {len(judged[name])} runs ({name.split('.')[1]})"
        for name in _BOUNDS
        if name in judged
    ]
    return f"{text}; Theorem 3 holds in {', '.join(held)}" if held else text


def _style(place: int) -> dict[str, Any]:
    colours = [colour for colour in SERIES_COLOURS if colour != BLACK]  # the colour of the bounds
    return {"color": colours[place % len(colours)], "marker": SERIES_MARKERS[place % len(SERIES_MARKERS)]}


def _aside(place: int, of: int) -> float:
    """Series side by side, so that their intervals do not cover one another."""
    return float(1.04 ** (place - (of - 1) / 2))


def _observed(axes: Axes, sweep: Sweep, gap: str, aside: float, style: dict[str, Any]) -> list[float]:
    """Every run with its interval, a line through the means of the seeds. Returns what must be in view."""
    shown = []
    for radius, group in sweep.points:
        for run in group:
            value, (low, high) = number(run["observed"][gap]), ends(run["observed"][gap])
            axes.errorbar(
                radius * aside, value, yerr=[[value - low], [high - value]], **style, markersize=7, capsize=3,
                linewidth=1.2, linestyle="none", zorder=4,
            )  # fmt: skip
            shown += [low, value, high]
    radii = np.array([radius for radius, _ in sweep.points])
    means = [mean(group, ("observed", gap)) for _, group in sweep.points]
    axes.plot(radii * aside, means, color=style["color"], linewidth=1.8, zorder=4, gid=f"observed {gap}")
    if sweep.without:
        level = mean(sweep.without, ("observed", gap))
        axes.axhline(level, color=style["color"], linewidth=1.2, linestyle=":", gid=f"without ball {gap}")
        shown.append(level)
    return shown


def _bound(sweep: Sweep, name: str) -> np.ndarray:
    """A bound over the radii, the mean over the seeds; NaN where infinite, or where a run lacks it."""
    values = np.array([mean(group, ("bounds", name)) for _, group in sweep.points])
    return np.where(np.isfinite(values), values, np.nan)


def _safety_panel(axes: Axes, found: Sequence[Sweep], labels: Sequence[str]) -> None:
    handles, shown = _handles(found, labels), []
    for place, sweep in enumerate(found):
        style = _style(place)
        shown += _observed(axes, sweep, "safety_gap", _aside(place, len(found)), style)
        drift = [
            mean(group, ("observed", "safety_gap_start")) + mean(group, ("predicted", "drift"))
            for _, group in sweep.points
        ]
        if np.isfinite(drift).any():
            radii = [radius for radius, _ in sweep.points]
            axes.plot(
                radii,
                drift,
                color=style["color"],
                linewidth=1.3,
                linestyle=_DASHES,
                marker=style["marker"],
                markersize=5,
                markerfacecolor="white",
                gid="drift",
            )
            shown += drift
    if any("drift" in run["predicted"] for sweep in found for run in sweep.runs):
        label = r"dashed: start + drift predicted along $-\nabla G_f$"
        handles.append(Line2D([], [], color=GREY, linewidth=1.3, linestyle=_DASHES, label=label))
    for name, (label, style) in _BOUNDS.items():
        for points in _curves(found, name):
            axes.plot(*zip(*points, strict=True), **style, linewidth=1.4, linestyle=_DASHES, markersize=6, gid=name)
            shown += [value for _, value in points]
        bounds = [run["bounds"].get(name, {}) for sweep in found for run in sweep.runs]
        infinite = sum(bool(each.get("infinite")) for each in bounds)
        remark = f", infinite in {infinite} of {len(bounds)} runs" if infinite else ""
        handles.append(Line2D([], [], **style, linewidth=1.4, linestyle=_DASHES, label=f"{label}{remark}"))
    panel_style(axes, "Safety gap in the ball, and Theorem 3", x=_RADIUS)
    log_x_axis(axes, [radius for sweep in found for radius, _ in sweep.points])
    linear = signed_log_axis(axes, "y", shown)
    axes.set_ylabel(f"safety gap, {UNIT}" + (f" ({linear})" if linear else ""))
    legend_below(axes, handles, columns=2)


def _curves(found: Sequence[Sweep], name: str) -> list[list[tuple[float, float]]]:
    """One curve where all capability sets share the bound, which does not know them; else one each."""
    each = [list(zip([radius for radius, _ in sweep.points], _bound(sweep, name), strict=True)) for sweep in found]
    pooled = sorted({point for curve in each for point in curve if math.isfinite(point[1])})
    return [pooled] if len({radius for radius, _ in pooled}) == len(pooled) and pooled else each


def _capability_panel(axes: Axes, found: Sequence[Sweep], labels: Sequence[str]) -> None:
    handles, shown, lowest = _handles(found, labels), [], []
    for place, sweep in enumerate(found):
        style = _style(place)
        shown += _observed(axes, sweep, "capability_gap", _aside(place, len(found)), style)
        radii = [radius for radius, _ in sweep.points]
        low, high = _bound(sweep, "capability.lower"), _bound(sweep, "capability.upper")
        axes.fill_between(radii, low, high, color=style["color"], alpha=0.15, linewidth=0, gid="bracket")
        for end in (low, high):
            axes.plot(radii, end, color=style["color"], linewidth=1.0, linestyle=_DASHES, gid="bracket")
        shown += list(high)
        lowest += list(low)
        start = mean(sweep.runs, ("observed", "capability_gap_start"))
        axes.axhline(start, color=style["color"], linewidth=1.4, linestyle="-.", gid="start")
        shown.append(start)
    handles += [
        Patch(facecolor=GREY, alpha=0.25, label="Theorem 3: best capability gap in the ball"),
        Line2D([], [], color=GREY, linewidth=1.4, linestyle="-.", label="before the fine-tune"),
    ]
    panel_style(axes, "Capability gap in the ball, and its bracket", x=_RADIUS, y=f"capability gap, {UNIT}")
    log_x_axis(axes, [radius for sweep in found for radius, _ in sweep.points])
    _keep_in_view(axes, shown, lowest)
    legend_below(axes, handles, columns=2)


def _keep_in_view(axes: Axes, shown: Sequence[float], lowest: Sequence[float]) -> None:
    """A lower end far below all else, which would press the rest together, leaves the panel and says so."""
    values = [value for value in shown if math.isfinite(value)]
    span = (max(values) - min(values)) or 1.0
    below = [value for value in lowest if math.isfinite(value)]
    bottom = max(min([*below, min(values)]), min(values) - 0.5 * span) - 0.06 * span
    axes.set_ylim(bottom, max(values) + 0.08 * span)
    if below and min(below) < bottom:
        axes.text(
            0.02, 0.02, f"the bracket's lower end goes down to {plain(min(below), 2)}", transform=axes.transAxes,
            size=SMALL, color=GREY, zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip


def _handles(found: Sequence[Sweep], labels: Sequence[str]) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], **_style(place), markersize=7, linewidth=1.8, label=literal(f"observed: {label}"))
        for place, label in enumerate(labels)
    ]
    handles += [
        Line2D([], [], color=GREY, linewidth=1.2, linestyle=":", label=f"dotted: {name}")
        for name in dict.fromkeys(sweep.without_name for sweep in found if sweep.without)
    ]
    return handles
