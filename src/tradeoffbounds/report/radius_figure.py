"""radius.png: what a fine-tune inside a ball may cost and gain against its radius, and the constants behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoffbounds.report.case_two_reading import (
    gains,
    predicted_gain,
    reference_radius,
    too_far,
    with_lower_constants,
)
from tradeoffbounds.report.figure_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    UNIT,
    Record,
    legend_below,
    log_axis,
    log_x_axis,
    page,
    panel_style,
    positive,
)
from tradeoffbounds.report.quantities import number, plain

Array = np.ndarray

_RADIUS = "radius ε (Euclidean norm of the step)"
_DASHES = (0, (4, 1.5))
_FOUND = "."
_NEXT_LINE = "\n    "
_VARIANTS = (("paper", "L_s", BLUE, "s"), ("refined", "S_s", ORANGE, "o"))
#: Both directions often gain nearly the same: the wider line beneath shows both.
_DIRECTIONS = (
    ("descent", r"along $-\nabla G_f$", PURPLE, 4.0),
    ("safest", "along the safest direction", GREEN, 1.6),
)
#: A panel shows at most this many decades, so that a drift near 0 does not press the bounds together.
_DECADES = 6.0


def radius_figure(record: Record, method: Record) -> Figure:
    """Safety gap and gain (nats/response) and the constants of Theorem 3 over the radius, for one adapter method.

    Args:
        method: ``parameter_constraint`` of the record, or one of its ``other_methods``.
    """
    figure = page(record, _finding(method), (14.0, 7.4))
    grid = figure.add_gridspec(2, 3)
    _safety_panel(figure.add_subplot(grid[:, 0]), method)
    _gain_panel(figure.add_subplot(grid[:, 1]), method)
    _lipschitz_panel(figure.add_subplot(grid[0, 2]), method)
    _smoothness_panel(figure.add_subplot(grid[1, 2]), method)
    return figure


def _finding(method: Record) -> str:
    at = reference_radius(method)
    radius, refined, start = at["radius"], number(at["theorem3"]["refined"]), number(method["offset"]["safety_gap"])
    head = f"{method['peft']}, on {method['rows']} rows: at radius {radius:g}"
    if math.isinf(refined):
        return f"{head} Theorem 3 is infinite: the loss is not finite somewhere in the ball"
    text = f"{head} the refined bound is an estimated {plain(refined, 2)} {UNIT}"
    if start != 0:
        text += f", from {plain(start, 2)} before any step"
    if at["drift"] is None:
        return f"{text}; the capability gradient is zero, so no step is predicted to gain"
    drift = number(at["drift"])
    if too_far(at["drift"]):
        return f"{text}; a step as long along the capability gradient is beyond what second order predicts"
    if drift > 0:
        times = plain((refined - start) / drift, 2)
        text += f", growing {times} times as far as predicted along the capability gradient"
    else:
        text += f"; along the capability gradient the gap is predicted to fall by {plain(abs(drift), 2)}"
    if at["safest_drift"] is None or too_far(at["safest_drift"]):
        return f"{text}, and no direction that gains keeps clear of the safety gradient"
    kept, most = (plain(predicted_gain(method, direction, radius)) for direction in ("safest", "descent"))
    moved = plain(number(at["safest_drift"]), 2)
    return f"{text}; the safest direction gains {kept} instead of {most}, moving the gap by {moved}"


def _safety_panel(axes: Axes, method: Record) -> None:
    rows, start = method["radii"], method["offset"]["safety_gap"]
    radii = _radii(method)
    shown: list[Array] = []
    for name, _, colour, marker in _VARIANTS:
        bounds = [at["theorem3"][name] for at in rows]
        known = np.array([with_lower_constants(method, at)[name] for at in rows])
        shown += [_band(axes, radii, known, _values(bounds), colour), _line(axes, radii, bounds, name, colour, marker)]
        proved = [at["certified"][name] for at in rows if name in at["certified"]]
        if len(proved) == len(rows):
            shown.append(_line(axes, radii, proved, f"{name}, proved constants", colour, marker))
    curves, offset = method["curves"], number(start)
    for name, label, colour, width in _DIRECTIONS:
        if name in curves:
            path = offset + np.array(curves[name]["drift"], dtype=float)
            shown.append(_curve(axes, np.array(curves["radii"]), path, f"predicted {label}", colour, width))
    if offset != 0:
        shown.append(_offset(axes, start))
    panel_style(axes, "(a) Safety gap in the ball (aligned model: 0)", x=_RADIUS, y=UNIT)
    _finish(axes, method, shown)
    axes.plot([], [], color=GREY, alpha=0.35, linewidth=8, label="shaded: the same with the largest constants found")
    legend_below(axes)


def _gain_panel(axes: Axes, method: Record) -> None:
    radii, curves = _radii(method), method["curves"]
    bounds = [gains(method, at) for at in method["radii"]]
    ends = {end: [each[end] for each in bounds] for end in ("at_most", "at_least")}
    shown = [_band(axes, radii, _values(ends["at_least"]), _values(ends["at_most"]), BLACK)]
    for end, marker in (("at_most", "v"), ("at_least", "^")):
        shown.append(_line(axes, radii, ends[end], end.replace("_", " "), BLACK, marker))
    if (np.diff(_values(ends["at_least"])) < 0).any():
        _remark(axes, "larger balls gain no less: highest so far holds")
    for name, label, colour, width in _DIRECTIONS:
        if name in curves:
            gain = np.array(curves[name]["gain"], dtype=float)
            shown.append(_curve(axes, np.array(curves["radii"]), gain, f"predicted {label}", colour, width))
    start = number(method["offset"]["capability_gap"])
    if start != 0:
        _remark(axes, f"start: capability gap {plain(start, 2)} (aligned model: 0)")
    panel_style(axes, "(b) What the best point of the ball gains", x=_RADIUS, y=f"gain over the start, {UNIT}")
    _finish(axes, method, shown)
    legend_below(axes)


def _lipschitz_panel(axes: Axes, method: Record) -> None:
    shown = [_constant(axes, method, "L_s", r"$L_s$", BLUE, "s")]
    norm = number(method["constants"]["grad_norm_s"])
    if norm > 0:
        axes.axhline(norm, color=GREY, linewidth=1.2, linestyle=":", label=r"$\|\nabla G_s\|$ at the start")
    panel_style(axes, "(c) Largest gradient of the safety gap", x="", y=f"{UNIT}/unit")
    _finish(axes, method, [*shown, np.array([norm])])
    legend_below(axes, columns=2)


def _smoothness_panel(axes: Axes, method: Record) -> None:
    shown = [
        _constant(axes, method, name, label, colour, marker)
        for name, label, colour, marker in (("S_s", r"$S_s$", ORANGE, "o"), ("L_f_prime", r"$L'_f$", BLACK, "^"))
    ]
    panel_style(axes, "(d) Largest curvature of both gaps", x=_RADIUS, y=f"{UNIT}/unit²")
    _finish(axes, method, shown)
    legend_below(axes, columns=2)


def _constant(axes: Axes, method: Record, name: str, label: str, colour: str, marker: str) -> Array:
    """Largest value found up to estimate as a band, and the proved constant where there is one."""
    radii = _radii(method)
    pairs = [at["constants"][name] for at in method["radii"]]
    lower, estimate = ([pair[end] for pair in pairs] for end in ("lower", "estimate"))
    shown = [
        _band(axes, radii, _values(lower), _values(estimate), colour),
        _line(axes, radii, estimate, label, colour, marker),
        _line(axes, radii, lower, f"{label}, largest found", colour, _FOUND),
    ]
    if all("certified" in pair for pair in pairs):
        shown.append(_line(axes, radii, [pair["certified"] for pair in pairs], label, colour, marker))
    return np.concatenate(shown)


def _radii(method: Record) -> Array:
    return np.array([at["radius"] for at in method["radii"]])


def _values(quantities: Sequence[Record]) -> Array:
    return np.array([number(each) for each in quantities])


def _visible(values: Array) -> Array:
    """What is infinite, zero or below has no place on a logarithmic axis; the legend says so."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _band(axes: Axes, x: Array, low: Array, high: Array, colour: str) -> Array:
    low, high = _visible(low), _visible(high)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    return low


def _line(axes: Axes, x: Array, bounds: Sequence[Record], label: str, colour: str, marker: str) -> Array:
    """Certified solid and filled, what is computed without a guess solid and open, anything weaker dashed and open."""
    values = _values(bounds)
    kinds = list(dict.fromkeys(each["kind"] for each in bounds))
    remarks = ["/".join(kinds)]
    infinite, none = int(np.isinf(values).sum()), int((values <= 0).sum())
    remarks += [f"infinite at {infinite} of {len(values)} radii"] if infinite else []
    remarks += [f"≤ 0 at {none} of {len(values)} radii"] if none else []
    guessed = not set(kinds) <= {"certified", "measured"}
    axes.plot(
        x, _visible(values), color=colour, marker=marker, markersize=6, markeredgewidth=1.4,
        linewidth=0.9 if marker == _FOUND else 1.6, linestyle=_DASHES if guessed else "-",
        markerfacecolor=colour if kinds == ["certified"] else "none", label=f"{label}: {_NEXT_LINE.join(remarks)}",
    )  # fmt: skip
    return _visible(values)


def _curve(axes: Axes, radii: Array, values: Array, label: str, colour: str, width: float) -> Array:
    axes.plot(
        radii, _visible(values), color=colour, linestyle=(0, (7 / width, 4 / width)), linewidth=width,
        alpha=0.55 if width > 2 else 1, label=label + below_zero(radii, values),
    )  # fmt: skip
    return _visible(values)


def below_zero(radii: Array, values: Array) -> str:
    """Where a curve leaves a logarithmic axis, in words; empty where it does not."""
    below = values <= 0
    if not below.any():
        return ""
    last = f"{plain(values[-1], 2)} at {radii[-1]:g}"
    if below.all():
        return f":{_NEXT_LINE}≤ 0, so not drawn ({last})"
    if below[0] and not below[-1]:
        return f":{_NEXT_LINE}≤ 0 up to radius {plain(radii[below][-1], 2)}"
    if below[-1] and not below[0]:
        return f":{_NEXT_LINE}≤ 0 from radius {plain(radii[below][0], 2)} on ({last})"
    return f":{_NEXT_LINE}≤ 0 where it is missing"


def _remark(axes: Axes, text: str) -> None:
    """A line of the legend without a line in the panel."""
    axes.plot([], [], linestyle="none", label=text)


def _offset(axes: Axes, start: Record) -> Array:
    value = number(start)
    label = f"before any step: {plain(value, 2)}, {start['kind']}"
    if value <= 0:
        _remark(axes, f"{label}, so not drawn")
        return np.array([np.nan])
    axes.axhline(value, color=GREY, linestyle=":", linewidth=1.6, label=label)
    if start["interval"] is not None and None not in start["interval"]:
        axes.axhspan(*(max(end, value * 1e-9) for end in start["interval"]), color=GREY, alpha=0.12, linewidth=0)
    return np.array([value])


def _finish(axes: Axes, method: Record, shown: Sequence[Array]) -> None:
    """Both axes; the smallest values may lie below the panel."""
    log_x_axis(axes, [*_radii(method), *method["curves"]["radii"]])
    values = positive(*shown)
    top = float(values.max(initial=0.0)) or 1.0
    bottom = max(float(values.min(initial=top)), top / 10**_DECADES)
    log_axis(axes, "y", bottom / 1.5, top * 1.5)
