"""Charts of `estimate`, Case I: each gap over λ, and the trade-off between capability and safety along λ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tradeoffbounds.page.meanings import GAP_NAMES
from tradeoffbounds.page.parts import Chart, Cursor
from tradeoffbounds.page.plots import at_least, finite, height, layout, log_axis, plain_figure, positive, translucent
from tradeoffbounds.report.figure_style import BLACK, COLOURS, GREY
from tradeoffbounds.report.quantities import number, plain

Record = dict[str, Any]
Numbers = list[float | None]

#: Bounds on a gap beside its bracket: place in a row, name, dash.
_THEOREMS = {
    "safety_gap": (
        ("theorem1", "paper", "Theorem 1, paper", "dash"),
        ("theorem1", "refined", "Theorem 1, refined", "dot"),
    ),
    "capability_gap": (
        ("theorem2", "paper", "Theorem 2, paper", "dash"),
        ("theorem2", "refined", "Theorem 2, refined", "dot"),
    ),
}
_UNIT = "nats per response"


def gap_chart(record: Record, rows: Sequence[Record], gap: str) -> Chart:
    """Bracket, bounds, certificate and what is known without data, over λ.

    Args:
        rows: one a position of the slider.
    """
    curves, colour = record["curves"], COLOURS[gap]
    penalties, ends = curves["penalties"], curves[gap]
    known, certified = curves["trivial"].get(gap), _certificate(record, gap)
    theorems = [
        (name, dash, [finite(number(row[theorem][form])) for row in rows])
        for theorem, form, name, dash in _THEOREMS.get(gap, ())
    ]
    exact = [(row["penalty"], number(row["exact"][gap])) for row in rows if "exact" in row]
    unbounded = math.isinf(number(rows[0]["bracket"][gap]["upper"]))
    top = 1.6 * max(
        positive(ends["upper"], ends["band_high"], known or [], *(each for *_, each in theorems)), default=1.0
    )
    highest = min(positive(ends["upper"]), default=top)
    floor = max(min(positive(ends["lower"]), default=highest), highest / 30) / 2
    shown = [row["penalty"] for row in rows]
    across = (min(*penalties, *shown), max(*penalties, *shown))

    figure = go.Figure()
    lower, upper = at_least(ends["lower"], floor), at_least(ends["upper"], floor)
    width = {"color": colour, "width": 1}
    figure.add_scatter(x=penalties, y=lower, mode="lines", line=width, showlegend=False, hoverinfo="skip")
    name = "bracket (upper end known from below)" if unbounded else "bracket (estimated)"
    figure.add_scatter(
        x=penalties, y=upper, mode="lines", line=width, fill="tonexty", fillcolor=translucent(colour, 0.28), name=name,
        hovertemplate="λ %{x:.3g}: upper end %{y:.3g}<extra></extra>",
    )  # fmt: skip
    for theorem, dash, values in theorems:
        _line(figure, shown, at_least(values, floor), f"{theorem} (estimated)", BLACK, dash)
    if known is not None:
        _line(figure, penalties, known, "known without data", GREY, "longdash")
    if any(value is not None for value in certified):
        _line(figure, penalties, certified, "certified", colour, "solid", mode="lines+markers", every=4)
    if exact:
        figure.add_scatter(
            x=[x for x, _ in exact], y=at_least([y for _, y in exact], floor), mode="lines", name="from likelihoods",
            line={"color": BLACK, "width": 1.6}, hovertemplate="λ %{x:.3g}: %{y:.3g} from likelihoods<extra></extra>",
        )  # fmt: skip
    best = [number(row["exact" if "exact" in row else "predicted"][gap]) for row in rows]
    at = rows[0]["penalty"]
    for style in (
        {"mode": "lines", "line": {"color": GREY, "width": 1.5}},
        {"mode": "markers", "marker": {"color": colour, "size": 11, "symbol": "diamond",
                                       "line": {"color": BLACK, "width": 1.5}}},
    ):  # fmt: skip
        figure.add_scatter(x=[at], y=[best[0]], showlegend=False, hoverinfo="skip", **style)
    last = len(figure.data)
    cursor = Cursor(
        [last - 2, last - 1],
        [[[x, x], [x]] for x in shown],
        [[[floor, top], [max(value, floor)]] for value in best],
    )
    figure.update_layout(layout("penalty λ", _UNIT, xaxis=log_axis(*across), yaxis=log_axis(floor, top)))
    data, frame = plain_figure(figure)
    return Chart(
        f"{GAP_NAMES[gap]} over λ", _finding(gap, rows, best), data, frame, height(figure, 270), cursor,
        f"The diamond is the {'number from likelihoods' if exact else 'predicted number'} at the chosen λ. Logarithmic "
        f"axes; what is below {plain(floor, 2)} stands on the bottom edge.",
    )  # fmt: skip


def frontier_chart(record: Record, rows: Sequence[Record], same: bool) -> Chart:
    """Capability gap against proxy gap along λ: left of and below the lower curve there is no policy."""
    curves = record["curves"]
    pairs = {end: [curves[gap][end] for gap in ("proxy_gap", "capability_gap")] for end in ("lower", "upper")}
    known = [curves["trivial"][gap] for gap in ("proxy_gap", "capability_gap")]
    certified = [_certificate(record, gap) for gap in ("proxy_gap", "capability_gap")]
    limits = []
    for at in (0, 1):
        top = max(positive(pairs["upper"][at], known[at]), default=1.0)
        low = min(positive(pairs["lower"][at], pairs["upper"][at]), default=top)
        limits.append((max(low, top * 1e-4) / 2, top * 1.6))
    lower, upper = (
        [[value if value >= limits[at][0] else None for value in values] for at, values in enumerate(pairs[end])]
        for end in ("lower", "upper")
    )
    figure = go.Figure()
    gaps = ("proxy_gap", "capability_gap")
    for name, ends, dash in (("upper ends (estimated)", upper, "solid"), ("lower ends (estimated)", lower, "dot")):
        _line(figure, ends[0], ends[1], name, COLOURS["total"], dash, hover=False)
    if any(value is not None for value in certified[0]):
        _line(figure, certified[0], certified[1], "certified", BLACK, "solid", mode="markers", every=2, hover=False)
    _line(figure, known[0], known[1], "known without data", GREY, "longdash", hover=False)
    boxes = [
        [[_point(row["bracket"], gap, end, limits[at][0]) for end in ("lower", "upper")] for at, gap in enumerate(gaps)]
        for row in rows
    ]
    figure.add_scatter(
        x=[], y=[], fill="toself", fillcolor=translucent(COLOURS["total"], 0.25), mode="lines", hoverinfo="skip",
        line={"color": COLOURS["total"], "width": 2}, name="brackets at the chosen λ (estimated)",
    )  # fmt: skip
    figure.data[-1].update(x=_corners(boxes[0])[0], y=_corners(boxes[0])[1])
    traces, points = [len(figure.data) - 1], [[_corners(box)] for box in boxes]
    if all("exact" in row for row in rows):
        best = [[[_point(row["exact"], gap, "", limits[at][0])] for at, gap in enumerate(gaps)] for row in rows]
        figure.add_scatter(
            x=best[0][0], y=best[0][1], mode="markers", name="from likelihoods at the chosen λ", hoverinfo="skip",
            marker={"symbol": "diamond", "size": 12, "color": BLACK},
        )  # fmt: skip
        traces.append(len(figure.data) - 1)
        points = [[*found, (x, y)] for found, (x, y) in zip(points, best, strict=True)]
    cursor = Cursor(
        traces, [[list(x) for x, _ in found] for found in points], [[list(y) for _, y in found] for found in points]
    )
    x = f"{'safety gap = ' if same else ''}proxy gap, {_UNIT}"
    figure.update_layout(layout(x, f"capability gap, {_UNIT}", xaxis=log_axis(*limits[0]), yaxis=log_axis(*limits[1])))
    data, frame = plain_figure(figure)
    finding = (
        f"Capability gap against {'safety gap, which is the' if same else ''} proxy gap along λ: a larger λ means a "
        "smaller proxy gap and a larger capability gap."
    )
    remark = (
        "If the estimated lower ends are right, no policy lies left of and below them. Logarithmic axes; what is "
        "too small for them is left out of the curves and put on the edge of the box."
    )
    return Chart("The trade-off along λ", finding, data, frame, height(figure, 380), cursor, remark)


def _certificate(record: Record, gap: str) -> Numbers:
    """None where it is no better than the bound known without data, or where there is none."""
    certified, known = (record["curves"][name].get(gap, []) for name in ("certificate", "trivial"))
    return [value if value < limit * (1 - 1e-9) else None for value, limit in zip(certified, known, strict=True)]


def _corners(box: list[list[float | None]]) -> tuple[Numbers, Numbers]:
    """A closed rectangle from (low, high) of both axes."""
    (left, right), (bottom, top) = box
    return [left, right, right, left, left], [bottom, bottom, top, top, bottom]


def _point(part: Record, gap: str, end: str, floor: float) -> float | None:
    value = finite(number(part[gap][end] if end else part[gap]))
    return None if value is None else max(value, floor)


def _line(
    figure: go.Figure, x: Numbers, y: Numbers, name: str, colour: str, dash: str, *, mode: str = "lines",
    every: int = 1, hover: bool = True,
) -> None:  # fmt: skip
    marks: Record = (
        {"marker": {"color": colour, "size": 7, "maxdisplayed": math.ceil(len(x) / every)}} if "markers" in mode else {}
    )
    figure.add_scatter(
        x=x, y=y, mode=mode, name=name, line={"color": colour, "width": 1.6, "dash": dash}, **marks,
        **({"hovertemplate": f"λ %{{x:.3g}}: {name} %{{y:.3g}}<extra></extra>"} if hover else {"hoverinfo": "skip"}),
    )  # fmt: skip


def _finding(gap: str, rows: Sequence[Record], best: Sequence[float]) -> str:
    first, last = (f"{plain(rows[at]['penalty'])}" for at in (0, -1))
    return (
        f"{GAP_NAMES[gap]} over the penalty: from {plain(best[0])} nats per response at λ = {first} to "
        f"{plain(best[-1])} at λ = {last}. Every number is in the table under the charts."
    )
