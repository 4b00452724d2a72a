"""What the figures share: palette, a page with finding, sources and stand-in warning, logarithmic axes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from tradeoffbounds.report.record import reference

Record = dict[str, Any]

# Okabe and Ito's colours, told apart with any colour vision. Vermillion is kept for warnings.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, PURPLE, WARNING, GREY = "#0072B2", "#CC79A7", "#D55E00", "#6E6E6E"
COLOURS = {"total": BLUE, "capability_gap": GREEN, "proxy_gap": ORANGE, "safety_gap": PURPLE}

PENALTY = "penalty λ"
UNIT = "nats/response"
#: Font sizes in points.
TITLE, TEXT, SMALL = 13.0, 10.5, 9.5
_INCH = 72.0
_LINE = 1.3
#: Width of a letter of the title, as a part of its size.
_BOLD = 0.62


def page(record: Record, finding: str, size: tuple[float, float], *, legend: Sequence[Artist] = ()) -> Figure:
    """An empty figure: the finding on top, a warning where data are stand-ins, sources at the bottom.

    Args:
        finding: the title, a sentence in plain words.
        size: width and height in inches.
        legend: handles of one legend for all panels, placed above the sources.
    """
    width, height = size
    figure = Figure(figsize=size)

    def lines(text: str, points: float, letter: float = 0.57) -> list[str]:
        return textwrap.wrap(text, int(width * _INCH / (points * letter)))

    used = 0.1
    head = [
        (lines(finding, TITLE, _BOLD), TITLE, BLACK, "bold"),
        (lines(stand_in_warning(record), SMALL), SMALL, WARNING, "bold"),
    ]
    for texts, points, colour, weight in head:
        for text in texts:
            figure.text(
                0.012, 1 - used / height, text, va="top", size=points, color=colour, weight=weight, parse_math=False
            )
            used += points * _LINE / _INCH
    below = 0.08
    for text in reversed(lines(_sources(record), SMALL)):
        figure.text(0.012, below / height, text, va="bottom", size=SMALL, color=GREY, parse_math=False)
        below += SMALL * _LINE / _INCH
    if legend:
        columns = min(len(legend), 3)
        figure.legend(
            handles=legend, loc="lower center", bbox_to_anchor=(0.5, below / height), ncols=columns, frameon=False,
            fontsize=TEXT, handlelength=2.6,
        ).set_in_layout(False)  # fmt: skip
        below += math.ceil(len(legend) / columns) * (TEXT * 1.6 / _INCH) + 0.15
    rect = (0.004, below / height, 0.992, 1 - (below + used + 0.08) / height)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.08, h_pad=0.08))
    return figure


def stand_in_warning(record: Record) -> str:
    """Which data sets are replaced by bundled rows; empty where none is."""
    replaced = [
        f"{source['stand_in_for']} -> {source['name']}"
        for source in record["sources"].values()
        if source.get("stand_in_for")
    ]
    return f"STAND-IN DATA: {', '.join(dict.fromkeys(replaced))}, not the real data sets" if replaced else ""


def short_name(source: Record, width: int) -> str:
    """A source's name in at most ``width`` characters; a path or a system prompt may be long."""
    name = str(source["name"])
    return name if len(name) <= width else f"{name[: width - 4].rstrip()} ..."


def _sources(record: Record) -> str:
    parts = [
        f"{role}: {short_name(source, 60)} ({source['rows']} rows, {source['origin']})"
        for role, source in record["sources"].items()
    ]
    return "Sources - " + "; ".join(parts)


def panel_style(axes: Axes, title: str = "", *, x: str = PENALTY, y: str = UNIT) -> None:
    """Title, labels with units, and no more lines than the eye needs."""
    if title:
        axes.set_title(title, fontsize=TEXT + 1, loc="left")
    axes.set_xlabel(x, fontsize=TEXT)
    axes.set_ylabel(y, fontsize=TEXT)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)


def log_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """A logarithmic axis from ``low`` to ``high`` with few ticks in plain numbers."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    decades = math.log10(high / low)
    digits: tuple[float, ...] = (1, 2, 5) if decades < 2 else (1, 3) if decades < 3 else (1,)
    if decades < 0.8:
        digits = (1, 1.5, 2, 3, 4, 5, 7)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    shown = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    axis.set_major_locator(FixedLocator(shown[:: max(1, math.ceil(len(shown) / 8))]))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def log_x_axis(axes: Axes, shown: Iterable[float]) -> None:
    """A logarithmic x-axis over penalties or radii, with room around them also where there is only one."""
    values = list(shown)
    low, high = min(values), max(values)
    margin = (high / low) ** 0.05 if high > low else 3.0
    log_axis(axes, "x", low / margin, high * margin)


def positive(*series: Any) -> np.ndarray:
    """All finite numbers above zero in the series, as one array: what a logarithmic axis can show."""
    values = np.concatenate([np.atleast_1d(np.asarray(each, dtype=float)).ravel() for each in series])
    return values[np.isfinite(values) & (values > 0)]


def same_source(record: Record) -> bool:
    """Whether alignment and proxy are the same data, so that the safety gap is the proxy gap."""
    return "same-source" in reference(record)["theorem1"]["refined"]["assumptions"]
