"""front.png: harmfulness, BBQ errors and capability loss of fine-tunes, and which of them no other beats."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoffbounds.report.figure_style import (
    BLACK,
    SERIES_COLOURS,
    SERIES_MARKERS,
    SMALL,
    Record,
    dot,
    literal,
    page,
    panel_style,
)
from tradeoffbounds.report.quantities import shortened
from tradeoffbounds.report.study_reading import NAME_WIDTH, asked, cost_text, setting_text

_PANELS = (("harmfulness", "capability_loss"), ("bbq_errors", "capability_loss"), ("harmfulness", "bbq_errors"))


def front_figure(record: Record, front: Record) -> Figure:
    """A panel for each pair of costs: colours are methods, markers objectives, and runs on the front are numbered."""
    runs = front["runs"]
    settings = [record["runs"][run["run"]]["setting"] for run in runs]
    styles = {
        "method": dict(zip(dict.fromkeys(each["method"] for each in settings), SERIES_COLOURS, strict=False)),
        "objective": dict(zip(dict.fromkeys(each["objective"] for each in settings), SERIES_MARKERS, strict=False)),
    }
    on = sorted((run for run in runs if run["on_front"]), key=lambda run: -run["resamples_on_front"])
    legend = [dot(shortened(name, NAME_WIDTH), colour) for name, colour in styles["method"].items()]
    legend += [dot(name.upper(), marker=marker) for name, marker in styles["objective"].items()]
    legend.append(dot("beaten: another is no worse in all three", markerfacecolor="white"))
    legend += [
        dot(f"{place}: {setting_text(record, run['run'])} ({100 * run['resamples_on_front']:.0f}%)", marker="")
        for place, run in enumerate(on, 1)
    ]
    figure = page(asked(record), _finding(front, on), (15.0, 6.4 + 0.25 * (len(on) // 3)), legend=legend)
    numbers = {run["run"]: place for place, run in enumerate(on, 1)}
    for axes, (x, y) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for run, setting in zip(runs, settings, strict=True):
            _point(axes, run, setting, styles, (x, y), numbers.get(run["run"]))
        labels = [cost_text(record, name) for name in (x, y)]
        panel_style(axes, x=labels[0], y=labels[1])
    return figure


def _point(
    axes: Axes, run: Record, setting: Record, styles: dict[str, dict[str, Any]], which: tuple[str, str],
    number: int | None,
) -> None:  # fmt: skip
    x, y = (run[name] for name in which)
    if x is None or y is None:
        return
    colour = styles["method"][setting["method"]]
    axes.plot(
        x, y, styles["objective"][setting["objective"]], color=colour, markersize=9, markeredgewidth=1.4,
        markerfacecolor="white" if number is None else colour, zorder=3 if number is None else 4,
        gid="beaten" if number is None else "front",
    )  # fmt: skip
    if number is not None:
        axes.annotate(
            str(number), (x, y), xytext=(6, 4), textcoords="offset points", size=SMALL, color=BLACK, weight="bold"
        )


def _finding(front: Record, on: list[Record]) -> str:
    sure = sum(run["resamples_on_front"] >= 0.95 for run in on)
    return literal(
        f"{shortened(front['model'], NAME_WIDTH)} on {shortened(front['capability'], NAME_WIDTH)}: {len(on)} of "
        f"{len(front['runs'])} fine-tunes are beaten by no other in all three; {sure} of them in at least 95% of "
        "resamples of the rows asked"
    )
