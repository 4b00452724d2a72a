"""layers.png: what each layer carries of the predicted drift, the gradients in it, and how they stand to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tradeoffbounds.report.case_two_reading import too_far
from tradeoffbounds.report.figure_style import (
    BLACK,
    GREEN,
    GREY,
    PURPLE,
    UNIT,
    WARNING,
    Record,
    legend_below,
    log_axis,
    page,
    panel_style,
    positive,
)
from tradeoffbounds.report.layers_reading import (
    at_reference,
    fewest_for_half,
    how_dependable,
    on_other_rows,
    removed,
    shares,
    spoken_of,
)
from tradeoffbounds.report.layers_verdict import named
from tradeoffbounds.report.quantities import number, plain

Array = np.ndarray

_LAYER = "decoder layer, counted from 0"


def layers_figure(record: Record, method: Record) -> Figure:
    """Shares of the drift (nats/response) with their intervals, gradient norms, and cosines, over the layers.

    Args:
        method: ``parameter_constraint`` of the record, or one of its ``other_methods``; one that has layers.
    """
    at = at_reference(method)
    assert at is not None
    figure = page(record, _finding(method, at), (14.0, 6.4))
    carried, norms, cosine = figure.subplots(1, 3, width_ratios=(1.7, 1, 1))
    _carried_panel(carried, method, at)
    _norms_panel(norms, method["layers"]["layers"])
    _cosine_panel(cosine, method["layers"]["layers"])
    for axes in (carried, norms, cosine):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_below(axes)
    return figure


def _finding(method: Record, at: Record) -> str:
    drift = number(at["drift"])
    head = f"{method['peft']}, on {method['rows']} rows, a step of {at['radius']:g} along the capability gradient"
    if too_far(at["drift"]):
        return f"{head}: too long for a second-order prediction"
    if drift <= 0:
        return (
            f"{head}: the safety gap is predicted to fall by {plain(-drift, 2)} {UNIT}, so no layer is to be frozen; "
            f"{how_dependable(at['agreement'])}"
        )
    half = fewest_for_half(at)
    said = (
        f"{head}: {named(half)} of {len(shares(at))} {'carries' if len(half) == 1 else 'carry'} at least half of the "
        f"predicted drift of {plain(drift, 2)} {UNIT}"
    )
    frozen = spoken_of(at)
    if frozen is not None:
        said += (
            f"; freezing {named(frozen['layers'])} keeps {number(frozen['gain_kept']):.0%} of the first-order gain and "
            f"removes {removed(at, frozen):.0%} of the drift"
        )
        other = on_other_rows(frozen)
        said += "" if other is None else f" ({other} on rows that did not choose them)"
    return f"{said}; {how_dependable(at['agreement'])}"


def _carried_panel(axes: Axes, method: Record, at: Record) -> None:
    values, found = at["shares"], shares(at)
    layers = np.arange(len(found))
    frozen = spoken_of(at)
    chosen = np.isin(layers, [] if frozen is None else frozen["layers"])
    for which, colour, label in ((~chosen, PURPLE, "share of the drift"), (chosen, WARNING, "the same, to be frozen")):
        if which.any():
            axes.bar(layers[which], found[which], color=colour, width=0.75, label=f"{label}: predicted")
    slopes = at["radius"] * np.array([number(each["slope"]) for each in method["layers"]["layers"]])
    axes.plot(layers, slopes, **_marker(BLACK, "D"), label="first order alone: predicted")
    if values["low"] is not None:
        label = f"{values['confidence']:.0%} interval (rows resampled)"
        axes.vlines(layers, values["low"], values["high"], color=GREY, linewidth=1.3, label=label)
    axes.axhline(0, color=GREY, linewidth=0.8)
    panel_style(axes, f"(a) Predicted drift at radius {at['radius']:g}, by layer", x=_LAYER, y=UNIT)


def _norms_panel(axes: Axes, rows: list[Record]) -> None:
    layers, shown = np.arange(len(rows)), []
    for key, label, colour, marker in (
        ("grad_norm_s", r"$\|\nabla_\ell G_s\|$, safety", PURPLE, "o"),
        ("grad_norm_f", r"$\|\nabla_\ell G_f\|$, capability", GREEN, "s"),
    ):
        norms = np.array([number(row[key]) for row in rows])
        shown.append(norms)
        drawn = np.where(norms > 0, norms, np.nan)
        axes.plot(layers, drawn, color=colour, marker=marker, markersize=5, linewidth=1.2, label=label)
    values = positive(*shown)
    low, high = (float(values.min()), float(values.max())) if values.size else (1.0, 1.0)
    log_axis(axes, "y", low / 1.5, high * 1.5)
    panel_style(axes, "(b) Gradients on these rows", x=_LAYER, y=f"{UNIT}/unit, log scale")


def _cosine_panel(axes: Axes, rows: list[Record]) -> None:
    known = [(row["layer"], number(row["cosine"])) for row in rows if row["cosine"] is not None]
    if known:
        axes.plot(*zip(*known, strict=True), **_marker(BLACK, "o"), label="cosine of both gradients, on these rows")
    axes.axhline(0, color=GREY, linewidth=0.8, label="below 0: gaining capability costs safety")
    axes.set_ylim(-1.05, 1.05)
    panel_style(axes, "(c) Do both want the same?", x=_LAYER, y="cosine")


def _marker(colour: str, marker: str) -> dict[str, Any]:
    return {"color": colour, "marker": marker, "markersize": 4.5, "linestyle": "none", "markerfacecolor": "white"}
