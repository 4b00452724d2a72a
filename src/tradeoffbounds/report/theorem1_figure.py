"""theorem1_terms.png: what Theorem 1 sums up at each penalty, and how much of the sum is slack."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tradeoffbounds.report.figure_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PENALTY,
    PURPLE,
    SKY,
    SMALL,
    TEXT,
    UNIT,
    Record,
    page,
    panel_style,
    same_source,
)
from tradeoffbounds.report.quantities import known_from_below, number
from tradeoffbounds.report.record import reference


@dataclass(frozen=True)
class _Term:
    label: str
    words: str
    colour: str


_TERMS = {
    "proxy_gap": _Term(r"proxy gap $\hat G_s$", "the proxy gap", ORANGE),
    "prompt_shift": _Term(r"prompt shift (in the paper $B\,$TV$(D,\hat D)$)", "the prompt shift B TV", SKY),
    "response_kl": _Term(r"KL$(\mu\|\hat\mu)$ of the responses", "the KL of the responses", PURPLE),
    "response_shift": _Term(r"response shift (in the paper $2C\,$TV$(\mu,\hat\mu)$)", "the response shift 2C TV", BLUE),
    "refined_prompt_cost": _Term(r"prompt cost: $\log(1 + D_f / \lambda\hat D)$", "the prompt cost", GREEN),
}
_PAPER = ("proxy_gap", "prompt_shift", "response_kl", "response_shift")
#: Term of the record -> the term whose colour it shares.
_REFINED = {"refined_response_kl": "response_kl", "refined_prompt_cost": "refined_prompt_cost"}
_MOST_GROUPS = 6
_STEP, _WIDTH = 0.29, 0.26


def theorem1_figure(record: Record) -> Figure:
    """Three bars a penalty, nats/response: the paper's sum, the refined sum, the signed decomposition."""
    figure = page(record, _finding(record), (12.0, 6.6), legend=_legend(record))
    axes = figure.add_subplot()
    rows = _shown(record)
    ticks: list[tuple[float, str]] = []
    tops = [0.0]
    for place, row in enumerate(rows):
        bars = _bars(row)
        for index, (label, parts) in enumerate(bars):
            x = place + (index - (len(bars) - 1) / 2) * _STEP
            ticks.append((x, label))
            tops.append(_stack(axes, x, parts))
        axes.plot(x, signed_sum(row), marker="D", color=BLACK, markersize=5, zorder=5)
        if "exact" in row:
            axes.plot(
                [place - _STEP * 1.6, place + _STEP * 1.6], [number(row["exact"]["safety_gap"])] * 2, color=BLACK,
                linestyle="--", linewidth=1.6, zorder=5,
            )  # fmt: skip
            tops.append(number(row["exact"]["safety_gap"]))
    axes.axhline(0, color=BLACK, linewidth=0.8)
    panel_style(axes, y=f"true safety gap, {UNIT}")
    margin = 0.55 + max(0, 3 - len(rows)) / 2  # a few bars stay narrow
    axes.set_xlim(-margin, len(rows) - 1 + margin)
    axes.set_ylim(top=max(tops) * 1.08 or 1.0)
    axes.set_xticks([x for x, _ in ticks], [label for _, label in ticks], minor=True)
    axes.set_xticks(range(len(rows)), [f"λ = {row['penalty']:g}" for row in rows])
    axes.xaxis.remove_overlapping_locs = False  # a middle bar's label stands above that of its penalty
    axes.tick_params(axis="x", which="both", length=0)
    axes.tick_params(axis="x", which="minor", labelsize=SMALL - 1)
    axes.tick_params(axis="x", which="major", labelsize=TEXT, pad=20)
    return figure


def _shown(record: Record) -> list[Record]:
    """All rows, or the ends, the reference and some between where there are more than fit side by side."""
    rows: list[Record] = record["loss_constraint"]
    if len(rows) <= _MOST_GROUPS:
        return rows
    spread = np.linspace(0, len(rows) - 1, _MOST_GROUPS - 1).round().astype(int)
    return [rows[i] for i in sorted({*spread.tolist(), rows.index(reference(record))})]


def signed_sum(row: Record) -> float:
    """Proxy gap (predicted) + prompt shift + response shift: the safety gap without slack, nats/response."""
    shifts = row["theorem1"]["decomposition"].values()
    return number(row["predicted"]["proxy_gap"]) + sum(number(each) for each in shifts)


def _finding(record: Record) -> str:
    row = reference(record)
    at = f"At {PENALTY} = {row['penalty']:g}"
    paper, refined, signed = number(row["theorem1"]["paper"]), number(row["theorem1"]["refined"]), signed_sum(row)
    if same_source(record):
        return (
            "Alignment and proxy are the same data: of Theorem 1 only the proxy gap is left, "
            f"at most {refined:.2g} {UNIT} by estimate at {PENALTY} = {row['penalty']:g}"
        )
    if math.isinf(paper):
        return f"{at} Theorem 1 is infinite in the paper's form and {refined:.2g} {UNIT} in the refined one"
    terms = {name: number(row["theorem1"]["terms"][name]) for name in _PAPER}
    sums = (
        f"{at} Theorem 1 sums to {paper:.2g} {UNIT}, the refined form to {refined:.2g}, "
        f"the signed differences to {signed:.2g}"
    )
    if "exact" in row:
        gap = number(row["exact"]["safety_gap"])
        missed = ", more than the refined sum" if gap > refined else ""
        return f"{sums}; the exact safety gap is {gap:.2g}{missed}"
    largest = _TERMS[max(terms, key=lambda name: terms[name])].words
    slack = max(0.0, 1 - signed / paper) if paper > 0 else 0.0
    return f"{sums}: {slack:.0%} of the paper's sum is slack by this estimate, and its largest term is {largest}"


def _bars(row: Record) -> list[tuple[str, list[tuple[Record, str]]]]:
    """Label and parts of every bar of a penalty; a part is a bound and the term whose colour it takes."""
    terms = row["theorem1"]["terms"]
    signed = {"proxy_gap": row["predicted"]["proxy_gap"], **row["theorem1"]["decomposition"]}
    bars = [("paper", [(terms[name], name) for name in _PAPER])]
    if refined := [(terms[name], colour) for name, colour in _REFINED.items() if name in terms]:
        bars.append(("refined", refined))
    return [*bars, ("signed", [(bound, name) for name, bound in signed.items()])]


def _stack(axes: Axes, x: float, parts: list[tuple[Record, str]]) -> float:
    """One bar, negative parts downwards, with its sum on top. Returns the height of the positive parts."""
    above = below = 0.0
    for bound, term in parts:
        value = number(bound)
        if not math.isfinite(value):
            continue
        axes.bar(
            x, value, _WIDTH, bottom=above if value >= 0 else below, color=_TERMS[term].colour, edgecolor="white",
            linewidth=0.8, hatch="//" if known_from_below(bound) else None,
        )  # fmt: skip
        above, below = above + max(value, 0.0), below + min(value, 0.0)
    total = sum(number(bound) for bound, _ in parts)
    axes.annotate(
        f"{total:.2g}" if math.isfinite(total) else "∞", (x, above), xytext=(0, 6), textcoords="offset points",
        ha="center", va="bottom", size=SMALL, zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip
    return above


def _legend(record: Record) -> list[Artist]:
    parts = [part for row in _shown(record) for _, bar in _bars(row) for part in bar]
    drawn = {term for bound, term in parts if number(bound) != 0}
    handles: list[Artist] = [
        Patch(facecolor=term.colour, label=term.label) for name, term in _TERMS.items() if name in drawn
    ]
    if any(known_from_below(bound) and number(bound) != 0 for bound, _ in parts):
        handles.append(Patch(facecolor=GREY, edgecolor="white", hatch="//", label="known only from below"))
    label = "signed differences, summed (estimated safety gap)"
    handles.append(Line2D([], [], color=BLACK, marker="D", markersize=5, linestyle="none", label=label))
    if any("exact" in row for row in _shown(record)):
        handles.append(Line2D([], [], color=BLACK, linestyle="--", linewidth=1.6, label="exact safety gap"))
    return handles
