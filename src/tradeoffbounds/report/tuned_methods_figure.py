"""tuned_methods.png: what fine-tunes with every method gained in capability and cost in safety."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoffbounds.report.figure_style import (
    BLACK,
    GREY,
    SERIES_COLOURS,
    UNIT,
    Record,
    dot,
    literal,
    page,
    panel_style,
)
from tradeoffbounds.report.quantities import number, plain
from tradeoffbounds.report.validate_reading import entry, hull, method_text, moved, overlap, trained_text

_OBJECTIVES = {"sft": "o", "dpo": "D"}
_PREDICTED: dict[str, Any] = {"marker": "|", "markersize": 13, "markeredgewidth": 2.0}


def tuned_methods_figure(record: Record) -> Figure:
    """One panel a capability set: gain in capability over cost in safety (nats/response) of every run."""
    groups: dict[str, list[Record]] = {}
    for run in record["runs"]:
        groups.setdefault(entry("capability", run["config"]["capability"]), []).append(run)
    methods = list(dict.fromkeys(trained_text(run["config"]) for run in record["runs"]))
    colours = {name: SERIES_COLOURS[place % len(SERIES_COLOURS)] for place, name in enumerate(methods)}
    longest = max(map(len, methods))  # of three columns of the legend each has that much
    width = max(9.5 if len(groups) == 1 else max(13.0, 5.0 * len(groups)), 6.0 + 0.2 * longest)
    figure = page(record, _finding(groups), (width, 7.0), legend=_legend(record["runs"], colours))
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (capability, runs) in zip(panels, groups.items(), strict=True):
        for run in runs:
            _point(axes, run, colours[trained_text(run["config"])])
        axes.axhline(0, color=BLACK, linewidth=0.8)
        axes.axvline(0, color=BLACK, linewidth=0.8)
        panel_style(
            axes, literal(f"Capability: {capability}"), x=f"safety cost (rise of the safety gap), {UNIT}",
            y=f"gain (fall of the capability gap), {UNIT}",
        )  # fmt: skip
    return figure


def constrained(run: Record) -> bool:
    """Whether a penalty or a ball held the fine-tune back."""
    return run["config"]["penalty"] is not None or run["config"]["radius"] is not None


def _finding(groups: dict[str, list[Record]]) -> str:
    """The cheapest and dearest method on the set tried with most of them; unconstrained if all were run so."""
    capability, runs = max(groups.items(), key=lambda each: len({method_text(run["config"]) for run in each[1]}))
    free = [run for run in runs if not constrained(run)]
    everywhere = {method_text(run["config"]) for run in free} == {method_text(run["config"]) for run in runs}
    by_method: dict[str, list[Record]] = {}
    for run in free if everywhere else runs:
        by_method.setdefault(method_text(run["config"]), []).append(run)
    costs = {
        name: tuple(sum(moved(run, gap)[0] for run in group) / len(group) for gap in ("safety_gap", "capability_gap"))
        for name, group in by_method.items()
    }
    which = "Unconstrained" if everywhere else "On the mean of all runs"
    ranked = sorted(costs, key=lambda name: costs[name][0])
    least, most = ranked[0], ranked[-1]
    if least == most:
        return f"{which} on {capability}, {least} costs {_price(*costs[least])}"
    text = f"{which} on {capability}, {least} costs least safety ({_price(*costs[least])})"
    text += f", {most} most ({_price(*costs[most])})"
    intervals = [hull(moved(run, "safety_gap")[1:] for run in by_method[name]) for name in (least, most)]
    return f"{text}, but their intervals overlap" if overlap(*intervals) else text


def _price(cost: float, change: float) -> str:
    return f"{plain(cost, 2)} {UNIT} for a gain of {plain(-change, 2)}"


def _point(axes: Axes, run: Record, colour: str) -> None:
    cost, low_cost, high_cost = moved(run, "safety_gap")
    change, low_change, high_change = moved(run, "capability_gap")
    held = constrained(run)
    axes.plot([low_cost, high_cost], [-change, -change], color=colour, linewidth=0.9, alpha=0.45)
    axes.plot([cost, cost], [-high_change, -low_change], color=colour, linewidth=0.9, alpha=0.45)
    axes.plot(
        cost, -change, color=colour, marker=_OBJECTIVES[run["config"]["objective"]], markersize=6 if held else 10,
        markerfacecolor="white" if held else colour, markeredgewidth=1.4, linestyle="none", zorder=4,
        gid=f"run {run['config']['objective']}",
    )  # fmt: skip
    predicted = predicted_cost(run)
    if math.isfinite(predicted):
        axes.plot([predicted, cost], [-change, -change], color=colour, linewidth=1.0, linestyle=(0, (4, 1.5)), zorder=3)
        axes.plot(predicted, -change, color=colour, linestyle="none", **_PREDICTED, zorder=3, gid="predicted")


def predicted_cost(run: Record) -> float:
    """What the fine-tune was predicted to cost: its drift, else predicted safety gap - start; NaN if neither."""
    if "drift" in run["predicted"]:
        return number(run["predicted"]["drift"])
    if "safety_gap" in run["predicted"]:
        return number(run["predicted"]["safety_gap"]) - number(run["observed"]["safety_gap_start"])
    return math.nan


def _legend(runs: Sequence[Record], colours: dict[str, str]) -> list[Artist]:
    handles: list[Artist] = [dot(literal(name), colour, markersize=9) for name, colour in colours.items()]
    for objective, marker in _OBJECTIVES.items():
        if any(run["config"]["objective"] == objective for run in runs):
            handles.append(dot(objective.upper(), marker=marker, markersize=9))
    if any(map(constrained, runs)):
        handles.append(dot("small, open: with a penalty or in a ball", markersize=6, markerfacecolor="white"))
    if any(math.isfinite(predicted_cost(run)) for run in runs):
        handles.append(dot("predicted cost, at the observed gain", **_PREDICTED))
    handles.append(Line2D([], [], color=GREY, linewidth=0.9, label="intervals of before and after, added"))
    return handles
