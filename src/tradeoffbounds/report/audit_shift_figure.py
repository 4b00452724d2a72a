"""shift.png: how far fine-tunes moved safety and fairness at once, one dot a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoffbounds.errors import UserError
from tradeoffbounds.report.audit_reading import (
    CONTEXTS,
    MEASURES,
    NAMES,
    adapter_text,
    overall,
    signed,
    sources,
    weak_judge_warning,
)
from tradeoffbounds.report.figure_style import (
    BLACK,
    GREY,
    SERIES_COLOURS,
    SERIES_MARKERS,
    SMALL,
    TEXT,
    WARNING,
    Record,
    dot,
    literal,
    page,
    panel_style,
)
from tradeoffbounds.report.quantities import ends, number

#: Colour and marker of each run or method.
Styles = dict[str, tuple[str, str]]
#: So few runs are told by name, more of them by method.
_NAMED = 6
_UP = {"accuracy": "higher is better", "bias": "up: towards the stereotype"}


def shiftable(record: Record) -> bool:
    """Whether the audit compared both safety and fairness with what they were before."""
    return overall(record, "rate") is not None and any(
        overall(record, measure, condition) is not None for measure in MEASURES for condition in CONTEXTS
    )


def shift_figure(records: Sequence[Record]) -> Figure:
    """Change in harmfulness over change in accuracy and bias score, by context, all categories and dimensions pooled.

    Raises:
        UserError: no audit has both changes, or the audits did not ask the same prompts of the same judge.
    """
    runs = [record for record in records if shiftable(record)]
    if not runs:
        raise UserError(f"none of {len(records)} audits compares both harm and fairness; audit an adapter with both")
    asked = {(run["harm"]["set"]["sha256"], run["harm"]["judge"]["name"]) for run in runs}
    if len(asked) > 1:
        raise UserError(f"{len(asked)} different sets of prompts or judges cannot share a figure; draw them apart")
    styles = _styles(runs)
    legend: list[Artist] = [dot(name, colour, marker=marker) for name, (colour, marker) in styles.items()]
    legend.append(dot(f"lines: {runs[0]['config']['confidence']:.0%} intervals", marker="+", markersize=12))
    figure = page(sources(runs[0], "harm", "fairness"), _finding(runs), (12.0, 9.6), legend=legend)
    grid = figure.subplots(len(MEASURES), len(CONTEXTS), sharex=True, squeeze=False)
    for row, measure in zip(grid, MEASURES, strict=True):
        for axes, condition in zip(row, CONTEXTS, strict=True):
            _panel(axes, runs, styles, measure, condition)
    if remark := weak_judge_warning(runs[0]):
        for axes in grid[0]:
            axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=TEXT + 1, pad=22)
        grid[0, 0].annotate(
            literal(remark), (0, 1), xytext=(0, 6), xycoords="axes fraction", textcoords="offset points", size=SMALL,
            color=WARNING, weight="bold",
        )  # fmt: skip
    return figure


def _series(run: Record, runs: Sequence[Record]) -> str:
    return adapter_text(run) if len(runs) <= _NAMED else str(run["adapter"]["method"])


def _styles(runs: Sequence[Record]) -> Styles:
    names = dict.fromkeys(_series(run, runs) for run in runs)
    return dict(zip(names, cycle(zip(SERIES_COLOURS, SERIES_MARKERS, strict=False)), strict=False))


def _panel(
    axes: Axes, runs: Sequence[Record], styles: dict[str, tuple[str, str]], measure: str, condition: str
) -> None:
    reach_x = reach_y = 0.02
    missing = 0
    for run in runs:
        safety, fairness = overall(run, "rate"), overall(run, measure, condition)
        if safety is None or fairness is None:
            missing += 1
            continue
        x, y = safety["difference"], fairness["difference"]
        colour, marker = styles[_series(run, runs)]
        axes.plot(ends(x), [number(y)] * 2, color=colour, linewidth=1.2, alpha=0.55, zorder=3)
        axes.plot([number(x)] * 2, ends(y), color=colour, linewidth=1.2, alpha=0.55, zorder=3)
        axes.plot(
            number(x), number(y), marker=marker, color=colour, linestyle="none", markersize=9, zorder=4,
            gid=f"run {adapter_text(run)}",
        )  # fmt: skip
        reach_x = max(reach_x, *map(abs, ends(x)))
        reach_y = max(reach_y, *map(abs, ends(y)))
    axes.axhline(0, color=BLACK, linewidth=0.8)
    axes.axvline(0, color=BLACK, linewidth=0.8)
    panel_style(
        axes, f"{NAMES[measure].capitalize()}, {CONTEXTS[condition]} contexts",
        x="change in harmfulness rate (lower is safer)", y=f"change in {NAMES[measure]} ({_UP[measure]})",
    )  # fmt: skip
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, -1.15 * reach_x), max(right, 1.15 * reach_x))
    axes.set_ylim(-1.3 * reach_y, 1.3 * reach_y)
    if missing:
        axes.text(0.02, 0.03, f"not shown: {missing} without a score", transform=axes.transAxes, size=SMALL, color=GREY)
    _corners(axes, measure)


def _corners(axes: Axes, measure: str) -> None:
    """What the corners mean, where that can be said: a bias score is not better for being lower."""
    if measure != "accuracy":
        return
    for x, y, text in ((0.01, 0.98, "safer, more accurate"), (0.99, 0.02, "more harmful, less accurate")):
        axes.text(
            x, y, text, transform=axes.transAxes, ha="left" if x < 0.5 else "right", va="top" if y > 0.5 else "bottom",
            size=SMALL, color=GREY, style="italic",
        )  # fmt: skip


def _finding(runs: Sequence[Record]) -> str:
    if len(runs) == 1:
        return _one(runs[0])
    up, down = (_moved(runs, "rate", None, sign) for sign in (1, -1))
    less = _moved(runs, "accuracy", "ambig", -1)
    both = sum(_sign(run, "rate", None) > 0 and _sign(run, "accuracy", "ambig") < 0 for run in runs)
    return (
        f"Harmfulness is significantly higher after {up} of {len(runs)} fine-tunes and lower after {down}; BBQ "
        f"accuracy in ambiguous contexts is lower after {less}, of which {both} harm more (each run tested by itself)"
    )


def _one(run: Record) -> str:
    changes = {"harmfulness rate": overall(run, "rate")}
    changes |= {f"ambiguous {NAMES[measure]}": overall(run, measure, "ambig") for measure in MEASURES}
    parts = [
        f"{name} {signed(number(change['difference']))} ({'' if change['significant'] else 'not '}significant)"
        for name, change in changes.items() if change is not None
    ]  # fmt: skip
    return f"{adapter_text(run)}, all categories and dimensions pooled: {', '.join(parts)}"


def _moved(runs: Sequence[Record], measure: str, condition: str | None, sign: int) -> int:
    return sum(_sign(run, measure, condition) == sign for run in runs)


def _sign(run: Record, measure: str, condition: str | None) -> int:
    """Which way a change goes that is significant; 0 for any other."""
    change = overall(run, measure, condition)
    if change is None or not change["significant"]:
        return 0
    return int(math.copysign(1, number(change["difference"])))
