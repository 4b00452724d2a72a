"""The figure of safety_layers.py: what each layer did to the safety gap, against what was predicted of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tradeoffbounds.report.figure_style import GREY, ORANGE, PURPLE, SMALL, UNIT, legend_below, page, panel_style
from tradeoffbounds.report.quantities import ends, number, plain, with_interval

Record = dict[str, Any]

#: What is drawn of the predictions: second order on the rows that are measured, so that no sampling is in the way.
SHOWN = "second order, same rows"
#: What `estimate --layers` says before any step, of training rows.
FORECAST = "forecast, second order"
_KINDS = {
    "only": ("this layer's adapter alone", PURPLE, "o"),
    "removed": ("what leaving this layer out takes away", ORANGE, "s"),
}


def safety_layers_figure(record: Record) -> Figure:
    """A row of panels for every scale: observed by layer, and observed against predicted for both questions."""
    scales = record["scales"]
    figure = page(record, _finding(record), (14.0, 1.6 + 4.4 * len(scales)))
    for which, at in enumerate(scales):
        by_layer, *against = (figure.add_subplot(len(scales), 3, 3 * which + column) for column in (1, 2, 3))
        _by_layer(by_layer, at)
        for axes, kind in zip(against, _KINDS, strict=True):
            _against(axes, at, kind)
    return figure


def _finding(record: Record) -> str:
    said = []
    for at in record["scales"]:
        predicted = plain(at["whole"]["predicted"]["same rows"], 2)
        ranks = [at["rank_correlation"]["removed"][name] for name in (SHOWN, FORECAST)]
        along, before = ("n/a" if each is None else with_interval(each) for each in ranks)
        said.append(
            f"at {at['scale']:g} of the step the gap moved by {with_interval(at['whole']['observed'])} {UNIT}, "
            f"predicted {predicted}; what leaving a layer out takes away has rank correlation {along} with the "
            f"prediction along the step and {before} with the forecast before it"
        )
    tuned = record["fine_tune"]
    return f"{tuned['method']}, {tuned['steps']} steps, {record['rows']} held-out safety rows: {'; '.join(said)}"


def _by_layer(axes: Axes, at: Record) -> None:
    for shift, (kind, (label, colour, _)) in zip((-0.2, 0.2), _KINDS.items(), strict=True):
        observed = at["observed"][kind]
        layers = np.arange(len(observed)) + shift
        axes.bar(layers, [number(each) for each in observed], width=0.4, color=colour, label=f"{label}: measured")
        axes.vlines(layers, *zip(*map(ends, observed), strict=True), color=GREY, linewidth=1)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel_style(axes, f"Measured, at {at['scale']:g} of the step", x="decoder layer, counted from 0", y=UNIT)
    legend_below(axes)


def _against(axes: Axes, at: Record, kind: str) -> None:
    label, colour, marker = _KINDS[kind]
    predicted = np.array(at["predicted"][kind][SHOWN])
    observed = np.array([number(each) for each in at["observed"][kind]])
    low, high = zip(*map(ends, at["observed"][kind]), strict=True)
    axes.vlines(predicted, low, high, color=GREY, linewidth=0.8)
    axes.plot(predicted, observed, color=colour, marker=marker, markersize=6, linestyle="none", label=label)
    for layer in np.argsort(-np.abs(observed))[:6]:
        axes.annotate(str(layer), (predicted[layer], observed[layer]), (4, 4), textcoords="offset points", size=SMALL)
    axes.axline((0, 0), slope=1, color=GREY, linestyle=":", linewidth=1.2, label="as predicted")
    # The points fill the panel: where the prediction is many times too large, the line leaves it.
    axes.set_xlim(*_around(predicted))
    axes.set_ylim(*_around(np.array([low, high])))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    rank = at["rank_correlation"][kind][SHOWN]
    title = f"{'Alone' if kind == 'only' else 'Left out'}: "
    title += "no order" if rank is None else f"rank correlation {with_interval(rank)}"
    panel_style(axes, title, x=f"predicted, second order at the start, {UNIT}", y=f"measured, {UNIT}")
    legend_below(axes)


def _around(values: np.ndarray) -> tuple[float, float]:
    margin = 0.08 * float(np.ptp(values) or 1.0)
    return float(values.min()) - margin, float(values.max()) + margin
