"""observed.png: every upper bound beside what was observed, and every prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tradeoffbounds.report.figure_style import (
    BLACK,
    COLOURS,
    GREY,
    SKY,
    SMALL,
    TEXT,
    UNIT,
    WARNING,
    Record,
    dot,
    legend_below,
    log_axis,
    page,
    panel_style,
    positive,
    signed_log_axis,
)
from tradeoffbounds.report.quantities import ends, number, plain, with_interval
from tradeoffbounds.report.validate_reading import (
    BOUNDS,
    Judged,
    by_bound,
    counted,
    judgements,
    predictions,
    quantity_text,
    words_of,
)

#: The upper bounds on a gap of the trained model. What a ball holds at best bounds no single fine-tune.
_DRAWN = [name for name in BOUNDS if not name.startswith("capability.")]
#: A theorem has the colour of the gap that it bounds; Theorem 3 bounds the same gap as Theorem 1.
_THEOREMS = {
    "Theorem 1": (COLOURS["safety_gap"], "Theorem 1 (safety gap)"),
    "Theorem 2": (COLOURS["capability_gap"], "Theorem 2 (capability gap)"),
    "Theorem 4": (COLOURS["total"], "classifier bound (total)"),
    "Interference": (SKY, "the same (interference)"),
    "Theorem 3": (BLACK, "Theorem 3 (safety gap in a ball)"),
}
#: The first of a theorem's two forms is drawn pale.
_PALE = ("theorem1.paper", "theorem2.paper", "theorem3.paper", "certificate.total", "interference.certificate")
_MARKERS = {"lora": "o", "ia3": "s", "prompt-tuning": "^", "p-tuning": "v", "full": "D"}
_OTHER_MARKER = "P"
_PREDICTED = COLOURS | {"interference": SKY, "drift": BLACK}
_RING: dict[str, Any] = {"marker": "o", "markersize": 14, "markerfacecolor": "none", "linestyle": "none"}
_REASONS = ("observed gap ≤ 0", "observed gap infinite", "bound infinite", "bound ≤ 0")


def observed_figure(record: Record) -> Figure:
    """Two panels (nats/response): upper bounds over observed gaps, and predicted over observed."""
    figure = page(record, _finding(record), (13.5, 8.0))
    bounds, predicted = figure.subplots(1, 2)
    _bounds_panel(bounds, record)
    _predicted_panel(predicted, record)
    return figure


def _judged(record: Record) -> list[Judged]:
    return [each for each in judgements(record) if each.name in _DRAWN]


def _finding(record: Record) -> str:
    runs, judged = len(record["runs"]), _judged(record)
    words = words_of(judged)
    text = f"On {counted(runs, 'fine-tune')}"
    if not judged:
        return f"{text} no bound could be put beside an observed gap"
    violated, vacuous = words["violated"], words["vacuous"]
    text += f" {len(judged) - violated} of {len(judged)} upper bounds hold, {vacuous} of them vacuously"
    trivial = sum(each.word not in ("violated", "vacuous") and number(each.observed) <= 0 for each in judged)
    text += f" and {trivial} over an observed gap of 0 or below" if trivial else ""
    if violated:
        within = sum(each.word == "violated" and not each.certain for each in judged)
        named = [
            f"{BOUNDS[name].label} in {words_of(found)['violated']} of {len(found)}"
            for name, found in by_bound(record).items()
            if name in _DRAWN and words_of(found)["violated"]
        ]
        text += f"; violated: {', '.join(named)} ({within} of these {violated} within sampling error)"
    medians = [
        f"{BOUNDS[name].label} {plain(median, 2)}"
        for name, found in record["summary"]["tightness"].items()
        if name in _DRAWN and name.endswith("refined") and (median := found["median"]) is not None
    ]
    return f"{text}; median bound over observed gap: {', '.join(medians)}" if medians else text


def why_not_shown(judged: Judged) -> str:
    """Why a logarithmic axis has no place for it; empty where it has."""
    seen, value = number(judged.observed), number(judged.bound)
    not_positive, unbounded, infinite, nothing = _REASONS
    if seen <= 0:
        return not_positive
    if math.isinf(seen):
        return unbounded
    return infinite if math.isinf(value) else nothing if value <= 0 else ""


def _bounds_panel(axes: Axes, record: Record) -> None:
    judged = _judged(record)
    shown = [each for each in judged if not why_not_shown(each)]
    seen = np.array([number(each.observed) for each in shown])
    values = np.array([number(each.bound) for each in shown])
    highest = positive([ends(each.observed)[1] for each in shown], seen)
    panel_style(axes, x=f"observed gap, {UNIT}", y=f"upper bound, {UNIT}")
    _title(axes, "Every upper bound beside the observed gap", _not_shown(judged))
    # The line of equality must be in view even where every bound is far above it.
    lowest = float(positive(seen).min(initial=math.inf)) if shown else 0.1
    log_axis(axes, "x", lowest / 1.6, (float(highest.max()) if shown else 1.0) * 1.6)
    low_y = min(lowest, float(values.min(initial=math.inf)))
    log_axis(axes, "y", low_y / 1.6, max(float(values.max(initial=0.0)), lowest * 10) * 1.6)
    _equality(axes)
    for each in shown:
        _point(axes, each)
    legend_below(axes, _legend(judged, shown), columns=2)


def _equality(axes: Axes) -> None:
    """y = x and below it the region of violations, and where tight and loose end."""
    (left, right), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    x = np.geomspace(left, right, 50)
    axes.fill_between(x, bottom, np.maximum(x, bottom), color=WARNING, alpha=0.08, linewidth=0)
    axes.plot(x, x, color=GREY, linewidth=1.4, gid="equality")
    for times in (2, 10):
        axes.plot(x, times * x, color=GREY, linewidth=0.9, linestyle=":")


def _point(axes: Axes, judged: Judged) -> None:
    colour = _THEOREMS[BOUNDS[judged.name].theorem][0]
    x, y, (low, high) = number(judged.observed), number(judged.bound), ends(judged.observed)
    axes.plot([max(low, axes.get_xlim()[0]), high], [y, y], color=colour, linewidth=0.9, alpha=0.45, zorder=3)
    face = "white" if judged.word == "vacuous" else _pale(colour) if judged.name in _PALE else colour
    axes.plot(
        x, y, marker=_MARKERS.get(judged.run["config"]["method"], _OTHER_MARKER), markersize=7, linestyle="none",
        color=colour, markerfacecolor=face, markeredgewidth=1.2, zorder=4, gid=f"bound {judged.name}",
    )  # fmt: skip
    if judged.word == "violated":
        axes.plot(x, y, **_RING, **_ring(judged.certain), zorder=5, gid="violated")


def _ring(certain: bool) -> dict[str, Any]:
    return {"markeredgecolor": WARNING, "markeredgewidth": 2.2 if certain else 0.9}


def _pale(colour: str) -> tuple[float, float, float]:
    red, green, blue = (0.35 * part + 0.65 for part in to_rgb(colour))
    return red, green, blue


def _not_shown(judged: Sequence[Judged]) -> list[str]:
    """How many points a logarithmic axis cannot show, and why, with the violations among them: up to two lines."""
    if not judged:
        return ["no bound was judged"]
    missing = [(why, each.word) for each in judged if (why := why_not_shown(each))]
    if not missing:
        return []
    parts = []
    for reason in _REASONS:
        words = [word for why, word in missing if why == reason]
        violated = f", {words.count('violated')} violated" if "violated" in words else ""
        parts += [f"{reason}: {len(words)}{violated}"] if words else []
    none = ", so no point at all" if len(missing) == len(judged) else ""
    return [f"not shown: {len(missing)} of {len(judged)} bounds{none}", f"({'; '.join(parts)})"]


def _title(axes: Axes, title: str, remarks: Sequence[str]) -> None:
    """A panel's title over small lines that no point can cover."""
    line = 1.25 * SMALL
    for place, remark in enumerate(reversed(remarks)):
        axes.annotate(
            remark, (0, 1), xytext=(0, 5 + place * line), xycoords="axes fraction", textcoords="offset points",
            size=SMALL, color=GREY,
        )  # fmt: skip
    axes.set_title(title, fontsize=TEXT + 1, loc="left", pad=6 + len(remarks) * line)


def _legend(judged: Sequence[Judged], shown: Sequence[Judged]) -> list[Artist]:
    theorems = {BOUNDS[each.name].theorem for each in judged}
    handles: list[Artist] = [dot(text, colour) for name, (colour, text) in _THEOREMS.items() if name in theorems]
    handles += [
        dot("pale: paper's form, or certificate", markerfacecolor=_pale(GREY)),
        dot("hollow: vacuous", markerfacecolor="white"),
        Line2D([], [], color=GREY, linewidth=1.4, label="bound = observed; below: violated"),
        Line2D([], [], color=GREY, linewidth=0.9, linestyle=":", label="2 and 10 times: up to there tight, loose"),
        *_methods([each.run for each in judged]),
    ]
    for certain, text in ((True, "violated"), (False, "violated, within sampling error")):
        if any(each.word == "violated" and each.certain == certain for each in shown):
            handles.append(Line2D([], [], **(_RING | {"markersize": 11}), **_ring(certain), label=text))
    return handles


def _methods(runs: Sequence[Record]) -> list[Artist]:
    names = dict.fromkeys(run["config"]["method"] for run in runs)
    return [dot(name, marker=_MARKERS.get(name, _OTHER_MARKER)) for name in names]


def _predicted_panel(axes: Axes, record: Record) -> None:
    """Whatever was predicted and observed; axes that show gaps of 0 and below too."""
    points = [(run, *each) for run in record["runs"] for each in predictions(run)]
    seen = [end for *_, observed in points for end in observed]
    guessed = [number(guess) for _, _, guess, _ in points]
    # The same range on both axes, so that y = x is the diagonal.
    linear, _ = signed_log_axis(axes, "x", seen, guessed), signed_log_axis(axes, "y", seen, guessed)
    remark = f" ({linear})" if linear else ""
    panel_style(axes, "Predicted beside observed", x=f"observed, {UNIT}{remark}", y=f"predicted, {UNIT}{remark}")
    left, right = axes.get_xlim()
    axes.plot([left, right], [left, right], color=GREY, linewidth=1.4, gid="equality")
    for run, quantity, guess, (value, low, high) in points:
        y, colour = number(guess), _PREDICTED[quantity]
        axes.plot([max(low, left), min(high, right)], [y, y], color=colour, linewidth=0.9, alpha=0.45, zorder=3)
        axes.plot(
            value, y, marker=_MARKERS.get(run["config"]["method"], _OTHER_MARKER), markersize=7, linestyle="none",
            color=colour, zorder=4, alpha=0.8, gid=f"predicted {quantity}",
        )  # fmt: skip
    if not points:
        axes.text(0.5, 0.5, "nothing was predicted", transform=axes.transAxes, ha="center", size=TEXT, color=GREY)
    handles: list[Artist] = [
        dot(f"{quantity_text(name)}: {_rank(record, name)}{_infinite(points, name)}", _PREDICTED[name])
        for name in dict.fromkeys(quantity for _, quantity, *_ in points)
    ]
    handles.append(Line2D([], [], color=GREY, linewidth=1.4, label="predicted = observed"))
    legend_below(axes, handles)


def _rank(record: Record, quantity: str) -> str:
    found = record["summary"]["rank_correlation"][quantity]
    if found["spearman"] is None:
        return f"no rank correlation ({counted(found['runs'], 'run')})"
    return f"rank correlation {with_interval(found['spearman'])}, {found['runs']} runs"


def _infinite(points: Sequence[tuple[Record, str, Record, tuple[float, float, float]]], name: str) -> str:
    """How many of a quantity's points no axis can show; empty where there is none."""
    count = sum(
        quantity == name and not (math.isfinite(number(guess)) and math.isfinite(seen[0]))
        for _, quantity, guess, seen in points
    )
    return f"; {count} infinite, not shown" if count else ""
