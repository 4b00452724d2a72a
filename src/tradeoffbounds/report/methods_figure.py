"""methods.png: adapter methods side by side, by what the same gain is predicted to cost in safety."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from tradeoffbounds.report.case_two_reading import comparable, families, methods_of
from tradeoffbounds.report.figure_style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    SMALL,
    TEXT,
    UNIT,
    Record,
    log_axis,
    page,
    panel_style,
    positive,
)
from tradeoffbounds.report.quantities import number, plain

_SUM: dict[str, Any] = {"color": BLACK, "marker": "D", "markersize": 6, "markerfacecolor": "white"}
_OPEN: dict[str, Any] = {"marker": "o", "markersize": 7, "markerfacecolor": "white"}
_RADIUS: dict[str, Any] = {"color": BLACK, "linestyle": ":", "linewidth": 1.3}


def methods_figure(record: Record) -> Figure:
    """Cost at equal gain (nats/response), constants at the largest radius, distance and size of every method."""
    comparison = record["method_comparison"]
    rows = comparison["methods"]
    size = (14.0, 3.2 + 0.55 * len(rows))
    figure = page(record, _finding(record), size, legend=_legend())
    cost, lipschitz, smoothness, distance, parameters = figure.subplots(
        1, 5, sharey=True, width_ratios=(2.6, 1, 1, 1, 1)
    )
    _cost_panel(cost, comparison)
    constants = {method["peft"]: method["radii"][-1]["constants"] for method in methods_of(record)}
    _constant_panel(lipschitz, rows, lambda name: constants[name]["L_s"], BLUE)
    _constant_panel(smoothness, rows, lambda name: constants[name]["S_s"], ORANGE)
    radius = methods_of(record)[0]["radii"][-1]["radius"]
    steps = [math.nan if row["distance"] is None else row["distance"] for row in rows]
    _dots(distance, steps, [radius], _OPEN)
    distance.axvline(radius, **_RADIUS)
    _dots(parameters, [row["parameters"] for row in rows], [], {"marker": "o", "markersize": 7})
    titles = (
        (cost, "What the same gain costs", f"safety gap, {UNIT}"),
        (lipschitz, rf"$L_s$ at radius {radius:g}", f"{UNIT}/unit\n(log scale)"),
        (smoothness, rf"$S_s$ at radius {radius:g}", f"{UNIT}/unit²\n(log scale)"),
        (distance, "Step to that gain", "norm of the step\n(log scale)"),
        (parameters, "Parameters", "trained numbers\n(log scale)"),
    )
    for axes, title, label in titles:
        panel_style(axes, title, x=label, y="")
    cost.grid(visible=False, axis="y")
    cost.xaxis.grid(visible=True, color="#E4E4E4", linewidth=0.8)
    cost.set_yticks(range(len(rows)), [row["peft"] for row in rows], fontsize=TEXT)
    cost.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def _finding(record: Record) -> str:
    comparison = record["method_comparison"]
    known = comparable(comparison)
    rows = methods_of(record)[0]["rows"]
    if not known:
        return f"On {rows} rows no method is predicted to gain anything inside the largest radius"
    head = f"On {rows} rows, for a gain of {plain(number(comparison['gain']), 2)} {UNIT} against the aligned model"
    order = " < ".join(f"{row['peft']} ({plain(number(row['cost']), 2)})" for row in known)
    if missing := [row["peft"] for row in comparison["methods"] if not row["cost"]]:
        order += f", and no step of {' or '.join(missing)} reaches it"
    between = families(comparison)
    return f"{head}, the predicted cost in safety is {order}{f': {between}' if between else ''}"


def _cost_panel(axes: Axes, comparison: Record) -> None:
    """Offset and drift stacked, each to its own side of 0; their sum as an open diamond."""
    spread = [0.0]
    for place, row in enumerate(comparison["methods"]):
        offset = number(row["offset"])
        parts = [(offset, SKY, False)]
        if row["drift"] is not None:
            parts.append((number(row["drift"]), PURPLE, True))
        ends = {False: 0.0, True: 0.0}
        for value, colour, predicted in parts:
            side = value < 0
            axes.barh(
                place, value, 0.5, left=ends[side], color="none" if predicted else colour, edgecolor=colour,
                linewidth=1.4, linestyle="--" if predicted else "-", zorder=2,
            )  # fmt: skip
            ends[side] += value
        spread += ends.values()
        if row["cost"] is None:
            text, x = f"{plain(offset, 2)} at the start;\nno step gains that much", ends[False]
        else:
            total = number(row["cost"])
            low, high = row["cost"]["interval"] or (total, total)
            axes.plot(total, place, **_SUM, zorder=5)
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=BLACK, linewidth=1.2, marker="|", markersize=7, zorder=4)
                spread += [low, high]
            text, x = plain(total, 2), max(ends[False], total if high is None else high)
        axes.annotate(
            text, (x, place), xytext=(8, 0), textcoords="offset points", ha="left", va="center", size=SMALL, zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    width = (max(spread) - min(spread)) or 1.0
    # Room for the numbers, more of it for a sentence.
    sentence = any(row["cost"] is None for row in comparison["methods"])
    axes.set_xlim(min(spread) - 0.05 * width, max(spread) + (0.55 if sentence else 0.2) * width)
    axes.axvline(0, color=BLACK, linewidth=0.8)


def _constant_panel(axes: Axes, rows: list[Record], pick: Callable[[str], Record], colour: str) -> None:
    """From the largest value found to the estimate, and what is proved as a filled marker."""
    shown = []
    for place, row in enumerate(rows):
        pair = pick(row["peft"])
        lower, estimate = number(pair["lower"]), number(pair["estimate"])
        proved = number(pair["certified"]) if "certified" in pair else math.nan
        shown += [lower, estimate, proved]
        if math.isfinite(estimate):
            axes.plot([lower, estimate], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
            axes.plot(estimate, place, color=colour, **_OPEN)
            _beside(axes, estimate, place, plain(estimate))
        else:
            axes.plot(lower, place, color=colour, marker=">", markersize=7, markerfacecolor="white")
            _beside(axes, lower, place, f"> {plain(lower)}, est. ∞")
        axes.plot(proved, place, color=colour, marker="o", markersize=7)
    _across(axes, shown)


def _dots(axes: Axes, values: list[float], others: list[float], style: dict[str, Any]) -> None:
    """A number each, on an axis that shows ``others`` too."""
    for place, value in enumerate(values):
        if math.isfinite(value):
            axes.plot(value, place, color=GREY, **style)
            _beside(axes, value, place, f"{value:,}" if isinstance(value, int) else plain(value, 2))
    _across(axes, [*values, *others])
    for place, value in enumerate(values):
        if not math.isfinite(value):
            axes.text(0.5, place, "none", transform=axes.get_yaxis_transform(), ha="center", va="center", size=SMALL)


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text, (x, y), xytext=(0, 8), textcoords="offset points", ha="center", va="bottom", size=SMALL, zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip


def _across(axes: Axes, values: list[float]) -> None:
    """A logarithmic axis with room at both ends for the numbers."""
    visible = positive(np.array(values, dtype=float))
    low, high = float(visible.min(initial=math.inf)), float(visible.max(initial=0.0))
    if not high:
        low = high = 1.0
    room = max(4.0, (high / low) ** 0.3)
    log_axis(axes, "x", low / room, high * room)
    axes.xaxis.set_major_locator(NullLocator())  # every number stands beside its dot


def _legend() -> list[Artist]:
    drift = r"drift along $-\nabla G_f$, predicted"
    return [
        Patch(facecolor=SKY, label="start against the aligned model"),
        Patch(facecolor="none", edgecolor=PURPLE, linestyle="--", linewidth=1.4, label=drift),
        Line2D([], [], **_SUM, linewidth=1.2, label="sum, with the start's interval"),
        Line2D([], [], color=GREY, linewidth=5, alpha=0.35, label="constant: largest found to estimate"),
        Line2D([], [], color=GREY, **_OPEN, linestyle="none", label="estimated or predicted"),
        Line2D([], [], color=GREY, marker="o", linestyle="none", label="certified, or a count"),
        Line2D([], [], **_RADIUS, label="largest radius computed"),
    ]
