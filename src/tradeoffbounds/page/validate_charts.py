"""Charts of `validate`: bounds and predictions beside what was observed, and gaps along a penalty or a radius."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tradeoffbounds.page.meanings import GAP_NAMES
from tradeoffbounds.page.parts import Chart, Cursor
from tradeoffbounds.page.plots import (
    cursor_line,
    finite,
    height,
    layout,
    literal,
    log_axis,
    plain_figure,
    positive,
    translucent,
)
from tradeoffbounds.report.figure_style import BLACK, COLOURS, GREY, SKY, WARNING
from tradeoffbounds.report.quantities import ends, number, plain
from tradeoffbounds.report.validate_reading import (
    BOUNDS,
    Judged,
    judgements,
    predictions,
    quantity_text,
    run_text,
    words_of,
)

Record = dict[str, Any]

_UNIT = "nats per response"
#: What a ball holds at best bounds no single fine-tune.
_DRAWN = [name for name in BOUNDS if not name.startswith("capability.")]
_COLOURS = {
    "Theorem 1": COLOURS["safety_gap"], "Theorem 2": COLOURS["capability_gap"], "Theorem 4": COLOURS["total"],
    "Interference": SKY, "Theorem 3": BLACK,
}  # fmt: skip
_SYMBOLS = dict(zip(_DRAWN, ("square", "circle", "diamond", "triangle-up", "pentagon", "hexagon", "star", "cross",
                             "triangle-down", "x"), strict=True))  # fmt: skip
_QUANTITIES = {**COLOURS, "interference": SKY, "drift": BLACK}
_POINTS = dict(zip(_QUANTITIES, ("circle", "square", "diamond", "triangle-up", "star", "x"), strict=True))
_MARK = {"size": 9, "line": {"width": 1.5}}


def observed_chart(record: Record) -> Chart:
    """Every upper bound over the observed gap; on the line they are equal, below it a bound is violated."""
    judged = [each for each in judgements(record) if each.name in _DRAWN]
    places = {id(run): place for place, run in enumerate(record["runs"], start=1)}
    shown = [each for each in judged if _showable(each)]
    seen, bounds = [number(each.observed) for each in shown], [number(each.bound) for each in shown]
    low = min([*seen, *bounds], default=0.1) / 1.6
    left, right = min(seen, default=0.1) / 1.6, max(seen, default=1.0) * 1.6
    top = max([*bounds, right], default=1.0) * 1.6
    figure = go.Figure()
    _equality(figure, left, right, low)
    for name in _DRAWN:
        own = [each for each in shown if each.name == name]
        if own:
            colour = _COLOURS[BOUNDS[name].theorem]
            symbols = [f"{_SYMBOLS[name]}{'-open' if each.word == 'vacuous' else ''}" for each in own]
            figure.add_scatter(
                x=[number(each.observed) for each in own], y=[number(each.bound) for each in own], mode="markers",
                name=BOUNDS[name].label, marker={**_MARK, "color": colour, "symbol": symbols},
                error_x=_errors([each.observed for each in own], translucent(colour, 0.45)),
                hovertext=[_told(each, places[id(each.run)]) for each in own], hoverinfo="text",
            )  # fmt: skip
    for certain, name, width in ((True, "violated", 2.5), (False, "violated, in doubt", 1.0)):
        own = [each for each in shown if each.word == "violated" and each.certain == certain]
        if own:
            figure.add_scatter(
                x=[number(each.observed) for each in own], y=[number(each.bound) for each in own], mode="markers",
                name=name,
                hoverinfo="skip", marker={"size": 17, "symbol": "circle-open", "color": WARNING,
                    "line": {"width": width}},
            )  # fmt: skip
    figure.update_layout(
        layout(f"observed gap, {_UNIT}", f"upper bound, {_UNIT}", xaxis=log_axis(left, right), yaxis=log_axis(low, top))
    )
    data, frame = plain_figure(figure)
    words = words_of(judged)
    finding = (
        f"Of {len(judged)} upper bounds beside observed gaps {words['violated']} are violated, {words['vacuous']} "
        f"vacuous, {words['tight']} tight, {words['loose']} loose and {words['far']} far. The tables below have "
        "every one."
    )
    missing = len(judged) - len(shown)
    remark = (
        f"Not shown: {missing} of {len(judged)} with a gap or a bound that is infinite, 0 or below. " if missing else ""
    )
    return Chart(
        "Every upper bound beside the observed gap", finding, data, frame, height(figure, 420), None,
        f"{remark}Below the solid line a bound is violated; up to the dotted lines (2 and 10 times) it is tight, "
        "then loose. Hollow: vacuous. Bars: sampling interval.",
    )  # fmt: skip


def predicted_chart(record: Record) -> Chart:
    """Whatever was predicted and observed."""
    points = [(run, *each) for run in record["runs"] for each in predictions(run)]
    points = [each for each in points if math.isfinite(number(each[2])) and math.isfinite(each[3][0])]
    values = [value for _, _, guess, seen in points for value in (number(guess), seen[0])]
    logarithmic = bool(values) and min(values) > 0
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.06 * (high - low) or 1.0
    low, high = (low / 1.6, high * 1.6) if logarithmic else (low - margin, high + margin)
    places = {id(run): place for place, run in enumerate(record["runs"], start=1)}
    figure = go.Figure()
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", name="predicted = observed", line={"color": GREY, "width": 1.5},
        hoverinfo="skip",
    )  # fmt: skip
    for quantity in dict.fromkeys(each[1] for each in points):
        own = [each for each in points if each[1] == quantity]
        colour = _QUANTITIES[quantity]
        texts = [
            f"run {places[id(run)]}: {literal(run_text(run), 40)}<br>predicted {plain(number(guess))}, observed "
            f"{plain(seen[0])}"
            for run, _, guess, seen in own
        ]
        figure.add_scatter(
            x=[seen[0] for *_, seen in own], y=[number(guess) for _, _, guess, _ in own], mode="markers",
            name=quantity_text(quantity), marker={**_MARK, "color": colour, "symbol": _POINTS[quantity]},
            error_x=_spread([seen for *_, seen in own], translucent(colour, 0.45)), hovertext=texts, hoverinfo="text",
        )  # fmt: skip
    axis = log_axis(low, high) if logarithmic else {"range": [low, high], "zeroline": True}
    figure.update_layout(layout(f"observed, {_UNIT}", f"predicted, {_UNIT}", xaxis=dict(axis), yaxis=dict(axis)))
    data, frame = plain_figure(figure)
    finding = f"{len(points)} predictions beside what was observed; rank correlations are in the table below."
    return Chart(
        "Every prediction beside the observation",
        finding,
        data,
        frame,
        height(figure, 420),
        None,
        "Bars: sampling interval.",
    )


def trade_off_chart(runs: Sequence[Record], along: str, symbol: str) -> Chart:
    """Capability gap over safety gap along a constraint, observed and predicted; the cursor is on the chosen run."""
    figure = go.Figure()
    gaps = ("safety_gap", "capability_gap")
    values = [f"{run['config'][along]:g}" for run in runs]
    seen = [[number(run["observed"][gap]) for run in runs] for gap in gaps]
    if any(all(gap in run["predicted"] for gap in gaps) for run in runs):
        guessed = [
            [finite(number(run["predicted"][gap])) if gap in run["predicted"] else None for run in runs] for gap in gaps
        ]
        figure.add_scatter(
            x=guessed[0], y=guessed[1], mode="lines+markers", name="predicted", hoverinfo="skip",
            line={"color": COLOURS["total"], "dash": "dash", "width": 1.3}, marker={"symbol": "circle-open", "size": 8},
        )  # fmt: skip
    figure.add_scatter(
        x=seen[0], y=seen[1], mode="lines+markers+text", name="observed", text=values, textposition="top right",
        line={"color": BLACK, "width": 1.8}, marker={"size": 8}, cliponaxis=False,
        error_x=_errors([run["observed"]["safety_gap"] for run in runs], translucent(BLACK, 0.35)),
        error_y=_errors([run["observed"]["capability_gap"] for run in runs], translucent(BLACK, 0.35)),
        hovertext=[f"{symbol} = {value}" for value in values], hoverinfo="text+x+y",
    )  # fmt: skip
    start = [number(runs[0]["observed"][f"{gap}_start"]) for gap in gaps]
    if all(map(math.isfinite, start)):
        figure.add_scatter(
            x=[start[0]], y=[start[1]], mode="markers", name="before the fine-tune", hoverinfo="skip",
            marker={"symbol": "star", "size": 13, "color": WARNING},
        )  # fmt: skip
    figure.add_scatter(
        x=[seen[0][0]], y=[seen[1][0]], mode="markers", name=f"chosen {symbol}", hoverinfo="skip",
        marker={"symbol": "square-open", "size": 17, "color": BLACK, "line": {"width": 2.5}},
    )  # fmt: skip
    cursor = Cursor([len(figure.data) - 1], [[[x]] for x in seen[0]], [[[y]] for y in seen[1]])
    figure.update_layout(layout(f"safety gap, {_UNIT}", f"capability gap, {_UNIT}"))
    data, frame = plain_figure(figure)
    told = "; ".join(
        f"{symbol} = {value}: safety gap {plain(x)}, capability gap {plain(y)}"
        for value, x, y in zip(values, *seen, strict=True)
    )
    return Chart(
        f"The trade-off along {symbol}",
        f"Observed: {told}.",
        data,
        frame,
        420,
        cursor,
        f"Each point with its {symbol}.",
    )


def gap_over_chart(runs: Sequence[Record], gap: str, along: str, symbol: str, names: Sequence[str]) -> Chart:
    """One gap over a constraint: observed, predicted, and its bounds."""
    x = [run["config"][along] for run in runs]
    observed = [number(run["observed"][gap]) for run in runs]
    series: list[tuple[str, str, str, str, list[float | None]]] = []
    if any(gap in run["predicted"] for run in runs):
        guess = [finite(number(run["predicted"][gap])) if gap in run["predicted"] else None for run in runs]
        series.append(("predicted", _QUANTITIES[gap], "dash", "circle-open", guess))
    series += [
        (BOUNDS[name].label, _COLOURS[BOUNDS[name].theorem], "dot", f"{_SYMBOLS[name]}-open",
         [finite(number(run["bounds"][name])) if name in run["bounds"] else None for run in runs])
        for name in names if name in _SYMBOLS
    ]  # fmt: skip
    everything = [*observed, *(value for *_, values in series for value in values if value is not None)]
    shown = [value for value in everything if math.isfinite(value)]
    logarithmic = len(positive(shown)) == len(shown) and bool(shown)
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    margin = 0.08 * (high - low) or 1.0
    low, high = (low / 1.5, high * 1.5) if logarithmic else (low - margin, high + margin)
    figure = go.Figure()
    for name, colour, dash, mark, values in series:
        figure.add_scatter(
            x=x, y=values, mode="lines+markers", name=name, line={"color": colour, "dash": dash, "width": 1.4},
            marker={"symbol": mark, "size": 8}, hovertemplate=f"{symbol} %{{x:.3g}}: {name} %{{y:.3g}}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=x, y=list(map(finite, observed)), mode="lines+markers", name="observed", line={"color": BLACK, "width": 2},
        marker={"size": 8}, error_y=_errors([run["observed"][gap] for run in runs], translucent(BLACK, 0.5)),
        hovertemplate=f"{symbol} %{{x:.3g}}: observed %{{y:.3g}}<extra></extra>",
    )  # fmt: skip
    cursor = cursor_line(figure, x, low, high)
    across = [value for value in x if value > 0]
    # A radius may be 0, which a logarithmic axis has no place for.
    frame: Record = {"yaxis": log_axis(low, high) if logarithmic else {"range": [low, high], "zeroline": True}}
    if len(across) == len(x):
        side = (max(x) / min(x)) ** 0.06 if max(x) > min(x) else 3.0
        frame["xaxis"] = log_axis(min(x) / side, max(x) * side)
    figure.update_layout(layout("penalty λ" if along == "penalty" else "radius ε", _UNIT, **frame))
    data, plain_layout = plain_figure(figure)
    told = "; ".join(f"{symbol} = {value:g}: {plain(seen)}" for value, seen in zip(x, observed, strict=True))
    return Chart(
        f"{GAP_NAMES[gap]} over {symbol}",
        f"Observed {GAP_NAMES[gap].lower()}: {told}.",
        data,
        plain_layout,
        330,
        cursor,
    )


def _showable(judged: Judged) -> bool:
    return all(0 < number(each) < math.inf for each in (judged.observed, judged.bound))


def _equality(figure: go.Figure, left: float, right: float, low: float) -> None:
    figure.add_scatter(
        x=[left, right, right, left], y=[max(left, low), right, low, low], fill="toself", mode="lines",
        line={"width": 0},
        fillcolor=translucent(WARNING, 0.1), hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for times, dash, name in ((1, "solid", "bound = observed"), (2, "dot", "2 and 10 times"), (10, "dot", "")):
        figure.add_scatter(
            x=[left, right], y=[times * left, times * right], mode="lines", name=name, showlegend=bool(name),
            line={"color": GREY, "width": 1.5 if times == 1 else 1, "dash": dash}, hoverinfo="skip",
        )  # fmt: skip


def _told(judged: Judged, place: int) -> str:
    doubt = "" if judged.certain else " (in doubt)"
    return (
        f"run {place}: {literal(run_text(judged.run), 40)}<br>{BOUNDS[judged.name].label}: "
        f"{plain(number(judged.bound))} ({judged.bound['kind']})<br>observed {plain(number(judged.observed))}: "
        f"{judged.word}{doubt}"
    )


def _errors(quantities: Sequence[Record], colour: str) -> Record:
    return _spread([(number(each), *ends(each)) for each in quantities], colour)


def _spread(seen: Sequence[tuple[float, float, float]], colour: str) -> Record:
    """Bars from the value to both ends of its interval; none where an end is open."""
    above, below = ([finite(each) or 0.0 for each in side] for side in (
        [high - value for value, _, high in seen], [value - low for value, low, _ in seen]
    ))  # fmt: skip
    return {
        "type": "data",
        "symmetric": False,
        "array": above,
        "arrayminus": below,
        "color": colour,
        "thickness": 1,
        "width": 2,
    }
