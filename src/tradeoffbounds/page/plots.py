"""What the page's charts share: colours, axes, and plotly figures as plain data."""

from __future__ import annotations

import html
import json
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tradeoffbounds.page.parts import Cursor
from tradeoffbounds.report.figure_style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, WARNING

Record = dict[str, Any]
Numbers = Sequence[float | None]

#: The same colours on a dark ground, where some of them would not be seen.
ON_DARK = {
    BLACK: "#F0F2F4", BLUE: "#5AA9E6", GREEN: "#2FBF95", GREY: "#A3ABB4", SKY: "#A9DCFB", WARNING: "#FF8A3D",
    ORANGE: ORANGE, PURPLE: "#DD8FBB",
}  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def plain_figure(figure: go.Figure) -> tuple[list[Record], Record]:
    """Traces and layout as plain lists and numbers; without plotly's template, whose colours are not ours."""
    figure.update_layout(template=None)
    found = json.loads(figure.to_json(engine="json"))
    return found["data"], {name: value for name, value in found["layout"].items() if name != "template"}


def cursor_line(figure: go.Figure, positions: Sequence[float], low: float, high: float) -> Cursor:
    """A vertical line that follows the slider, added to the figure at its first position."""
    figure.add_scatter(
        x=[positions[0]] * 2, y=[low, high], mode="lines", line={"color": GREY, "width": 1.5}, showlegend=False,
        hoverinfo="skip",
    )  # fmt: skip
    return Cursor([len(figure.data) - 1], [[[at, at]] for at in positions], [[[low, high]] for _ in positions])


def layout(x: str, y: str, **more: Any) -> Record:
    """A quiet frame: titles with units, no more lines than the eye needs, nothing that can be dragged."""
    axis: Record = {"fixedrange": True, "zeroline": False, "showline": True, "ticks": "outside", "ticklen": 4,
                    "automargin": True, "showgrid": True, "title": {"standoff": 8}}  # fmt: skip
    x_axis, y_axis = (axis | {"title": axis["title"] | {"text": text}} | more.pop(which, {})
                      for which, text in (("xaxis", x), ("yaxis", y)))  # fmt: skip
    legend: Record = {
        "orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "xanchor": "left", "x": 0,
        "traceorder": "normal", "font": {"size": 12}, "itemclick": False, "itemdoubleclick": False,
    }  # fmt: skip
    return {
        "xaxis": x_axis, "yaxis": y_axis, "legend": legend, "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "hovermode": "closest", "dragmode": False, "showlegend": True, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", **more,
    }  # fmt: skip


def log_axis(low: float, high: float) -> Record:
    """A logarithmic axis with few ticks, in plain numbers."""
    decades = math.log10(high / low)
    digits = (1, 2, 5) if decades < 1.6 else (1, 3) if decades < 3 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    shown = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    shown = shown[:: max(1, math.ceil(len(shown) / 7))]
    return {
        "type": "log", "range": [math.log10(low), math.log10(high)], "tickmode": "array", "tickvals": shown,
        "ticktext": [f"{tick:g}" for tick in shown],
    }  # fmt: skip


def translucent(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def literal(text: str, width: int | None = None, lines: int = 3) -> str:
    """Text as plotly shows it, which reads tags and entities in labels; broken into lines where asked for."""
    if width is None:
        return html.escape(text)
    broken = textwrap.wrap(text, width, max_lines=lines, placeholder=" ...") or [""]
    return "<br>".join(map(html.escape, broken))


def finite(value: float | None) -> float | None:
    """None, which plotly leaves out, for what no axis can show."""
    return value if value is not None and math.isfinite(value) else None


def at_least(values: Numbers, floor: float) -> list[float | None]:
    """No value below the bottom of a logarithmic axis."""
    return [None if (shown := finite(value)) is None else max(shown, floor) for value in values]


def positive(*series: Numbers) -> list[float]:
    return [value for values in series for value in values if value is not None and 0 < value < math.inf]


def height(figure: go.Figure, plot: int) -> int:
    """Pixels of a chart whose own part is ``plot`` high, with room for its legend."""
    return plot + 21 * sum(trace.showlegend is not False for trace in figure.data)
