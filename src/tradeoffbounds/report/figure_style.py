"""What the figures share: palette, a page with finding, sources and stand-in warning, logarithmic axes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from tradeoffbounds.report.quantities import shortened
from tradeoffbounds.report.record import reference
from tradeoffbounds.runs import atomic_path

Record = dict[str, Any]

# Okabe and Ito's colours, told apart with any colour vision. Vermillion is kept for warnings.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, PURPLE, WARNING, GREY = "#0072B2", "#CC79A7", "#D55E00", "#6E6E6E"
COLOURS = {"total": BLUE, "capability_gap": GREEN, "proxy_gap": ORANGE, "safety_gap": PURPLE}
#: Colours and markers of data sets and adapter methods, in the order of their appearance.
SERIES_COLOURS, SERIES_MARKERS = (BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK), ("o", "s", "^", "D", "v", "P", "X")

PENALTY = "penalty λ"
UNIT = "nats/response"
#: Font sizes in points.
TITLE, TEXT, SMALL = 13.0, 10.5, 9.5
_INCH = 72.0
#: Letters of what the gaps are counted from; the record has all of it.
_REFERENCES = 320
_DPI = 150
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
    for text in reversed([*lines(_sources(record), SMALL), *lines(_references(record), SMALL)]):
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


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as PNG, each under its stem, and return their paths; an interrupted one leaves no file."""
    paths = []
    for stem, figure in figures.items():
        path = folder / f"{stem}.png"
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=_DPI)
        paths.append(path)
    return paths


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


def literal(text: str) -> str:
    """For labels, where matplotlib reads what stands between dollars as mathematics."""
    return text.replace("$", r"\$")


def _sources(record: Record) -> str:
    parts = []
    for role, source in record["sources"].items():
        # The role of one source of several ends with its name already.
        name = shortened(role, 72) if role.endswith(f": {source['name']}") else f"{role}: {short_name(source, 60)}"
        parts.append(f"{name} ({source['rows']} rows, {source['origin']})")
    return "Sources - " + "; ".join(parts)


def _references(record: Record) -> str:
    """What a gap of 0 means, where the record says it; one phrase for the gaps that share it."""
    gaps: dict[str, list[str]] = {}
    for gap, meaning in record.get("references", {}).items():
        gaps.setdefault(meaning, []).append(gap.replace("_", " "))
    parts = [f"{', '.join(names)}: {meaning}" for meaning, names in gaps.items()]
    text = textwrap.shorten("; ".join(parts), _REFERENCES, placeholder=" ... (in full in the record)")
    return f"Gaps - {text}" if parts else ""


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


def signed_log_axis(axes: Axes, which: Literal["x", "y"], *series: Any) -> str:
    """A logarithmic axis that shows all of ``series``: linear around 0 where any of it is 0 or below.

    Returns what a label must add: empty, or where the axis is linear.
    """
    values = _finite(series)
    sizes = np.abs(values[values != 0])
    if values.size and values.min() > 0:
        log_axis(axes, which, float(values.min()) / 1.5, float(values.max()) * 1.5)
        return ""
    top = float(sizes.max(initial=0.0)) or 1.0
    small = float(np.quantile(sizes, 0.2)) if sizes.size else top
    linear = 10.0 ** math.floor(math.log10(min(max(small, top * 1e-7), top * 0.3)))

    def beyond(value: float, sign: int) -> float:
        return 1.5 * value if sign * value > linear else value + sign * 0.4 * linear

    low, high = beyond(float(values.min(initial=0.0)), -1), beyond(float(values.max(initial=0.0)), 1)
    set_scale, set_limits, axis = (
        (axes.set_xscale, axes.set_xlim, axes.xaxis) if which == "x" else (axes.set_yscale, axes.set_ylim, axes.yaxis)
    )
    set_scale("symlog", linthresh=linear, linscale=1)
    set_limits(low, high)
    decades = max(1, math.ceil(math.log10(top / linear)))
    digits = (1, 3) if decades <= 2 else (1,)
    ticks = [
        digit * linear * 10.0**power for power in range(0, decades + 1, math.ceil(decades / 4)) for digit in digits
    ]
    axis.set_major_locator(FixedLocator([tick for tick in (*(-t for t in ticks), 0, *ticks) if low <= tick <= high]))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axis.set_minor_locator(NullLocator())
    return f"linear between ±{linear:g}"


def log_x_axis(axes: Axes, shown: Iterable[float]) -> None:
    """A logarithmic x-axis over penalties or radii, with room around them also where there is only one."""
    values = list(shown)
    low, high = min(values), max(values)
    margin = (high / low) ** 0.05 if high > low else 3.0
    log_axis(axes, "x", low / margin, high * margin)


def positive(*series: Any) -> np.ndarray:
    """All finite numbers above zero in the series, as one array: what a logarithmic axis can show."""
    values = _finite(series)
    return values[values > 0]


def dot(label: str, colour: str = GREY, **style: Any) -> Line2D:
    """A marker without a line, for a legend."""
    drawn: dict[str, Any] = {"marker": "o", "markersize": 7} | style
    return Line2D([], [], color=colour, linestyle="none", label=label, **drawn)


def legend_below(axes: Axes, handles: Sequence[Artist] | None = None, columns: int = 1) -> None:
    """Below the panel, clear of ticks and label: a distance in points, whatever the panel's height."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    lines = axes.get_xlabel().count("\n") + bool(axes.get_xlabel())
    below = ScaledTranslation(0, -(24 + 18 * lines) / _INCH, figure.dpi_scale_trans)
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=axes.transAxes + below,
        fontsize=SMALL, frameon=False, handlelength=2.6, ncols=columns, columnspacing=1.4, borderaxespad=0,
    )  # fmt: skip


def _finite(series: Iterable[Any]) -> np.ndarray:
    values = np.concatenate([np.atleast_1d(np.asarray(each, dtype=float)).ravel() for each in series])
    return values[np.isfinite(values)]


def same_source(record: Record) -> bool:
    """Whether alignment and proxy are the same data, so that the safety gap is the proxy gap."""
    return "same-source" in reference(record)["theorem1"]["refined"]["assumptions"]
