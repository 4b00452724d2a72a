"""classifier_scores.png: how well prompts tell the two sources apart, and whether more rows would tell more."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tradeoffbounds.report.figure_style import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    PENALTY,
    SMALL,
    TEXT,
    UNIT,
    WARNING,
    Record,
    page,
    panel_style,
    short_name,
)
from tradeoffbounds.report.record import reference

_BOX = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
_ROLES = ("proxy", "capability")


def scores_figure(record: Record) -> Figure:
    """Histogram of out-of-sample log-ratios (nats) beside the learning curve (nats/response)."""
    shared = record["classifier_scores"]["shared_prompts"]
    figure = page(record, _finding(record), (12.0, 4.6 if shared else 5.8))
    scores, learning = figure.subplots(1, 2, width_ratios=(1 if shared else 2, 1))
    _scores_panel(scores, record)
    _learning_panel(learning, record["learning_curve"])
    return figure


def _finding(record: Record) -> str:
    scores = record["classifier_scores"]
    moving = "" if record["learning_curve"]["flat"] else "; the learning curve still moves"
    if scores["shared_prompts"]:
        return f"Both sources ask the same prompts, so only the responses tell them apart{moving}"
    # The bins are symmetric about 0, the decision at penalty 1, so both shares are exact.
    edges, middle = np.array(scores["bin_edges"]), len(scores["bin_edges"]) // 2
    counts = {role: np.array(scores[role], dtype=float) for role in _ROLES}
    right = (counts["capability"][middle:].sum(), counts["proxy"][:middle].sum())
    at = f"{PENALTY} = 1" if abs(edges[middle]) < 1e-9 else f"log-ratio {edges[middle]:.2g}"
    shares = [each / max(counts[role].sum(), 1) for each, role in zip(right, ("capability", "proxy"), strict=True)]
    tv = record["overlap"]["tv_prompts_capability_proxy"]["value"]
    return (
        f"At {at} the classifier recognises {shares[0]:.0%} of capability prompts and {shares[1]:.0%} of proxy prompts "
        f"it never saw (estimated TV of prompts {tv:.2g}){moving}"
    )


def _scores_panel(axes: Axes, record: Record) -> None:
    scores = record["classifier_scores"]
    title = "Out-of-sample scores of prompts"
    if scores["shared_prompts"]:
        axes.set_title(title, fontsize=TEXT + 1, loc="left")
        axes.set_axis_off()
        rows = sum(sum(scores[role]) for role in _ROLES)
        axes.text(
            0.5, 0.5,
            "No histogram: proxy and capability share their prompts,\nso a prompt says nothing about its source\n"
            rf"and all {rows} scores are 0 by design." "\n" r"$H(Z|X)$ is known exactly.",
            transform=axes.transAxes, ha="center", va="center", size=TEXT + 1, linespacing=1.6,
        )  # fmt: skip
        return
    edges = np.array(scores["bin_edges"])
    for role in _ROLES:
        counts = np.array(scores[role], dtype=float)
        colour = COLOURS[f"{role}_gap"]
        axes.stairs(
            100 * counts / max(counts.sum(), 1), edges, fill=True, facecolor=colour, alpha=0.5, edgecolor=colour,
            label=f"{role}: {short_name(record['sources'][role], 36)}".replace("$", r"\$"),
        )  # fmt: skip
    label = "log p(capability | prompt) / p(proxy | prompt), nats"
    rows = sum(sum(scores[role]) for role in _ROLES)
    if abs(edges[-1] - math.log(max(rows, 1))) < 1e-3:
        label += f"\n(limited to ±log(rows) = ±{edges[-1]:.2g}, which fills the end bins)"
    panel_style(axes, title, x=label, y="share of the source's rows, %")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    _decisions(axes, record, edges)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), fontsize=TEXT, frameon=False, ncols=2)


def _decisions(axes: Axes, record: Record, edges: np.ndarray) -> None:
    """Where p(capability | prompt) = 1/2 after the prior shift, at the smallest, the reference and the largest λ."""
    penalties = [row["penalty"] for row in record["loss_constraint"]]
    room = 0.12 * (edges[-1] - edges[0])
    drawn: list[float] = []
    for penalty in (reference(record)["penalty"], min(penalties), max(penalties)):
        x = math.log(penalty)
        if abs(x) > edges[-1] or any(abs(x - other) < room for other in drawn):
            continue
        drawn.append(x)
        axes.axvline(x, color=BLACK, linestyle=":", linewidth=1.3)
        axes.annotate(
            f"even odds\nat λ = {penalty:g}", (x, 1), xycoords=("data", "axes fraction"), xytext=(4, -2),
            textcoords="offset points", ha="left", va="top", size=SMALL, bbox=_BOX,
        )  # fmt: skip


def _learning_panel(axes: Axes, curve: Record) -> None:
    """The lower end of the total against the rows of each source that it was computed from."""
    rows, lower = curve["rows"], curve["lower"]
    axes.plot(rows, lower, color=BLUE, marker="o", linewidth=1.6)
    for x, y in zip(rows, lower, strict=True):
        axes.annotate(f"{y:.2g}", (x, y), xytext=(0, 9), textcoords="offset points", ha="center", size=SMALL, bbox=_BOX)
    panel_style(axes, "Lower end of the total, λ = 1", x="rows of each source", y=UNIT)
    axes.set_xscale("log")
    axes.set_xlim(min(rows) / 1.3, max(rows) * 1.3)
    axes.xaxis.set_major_locator(FixedLocator(rows))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, max([*lower, 1e-6]) * 1.25)
    axes.text(
        0.97, 0.97, "flat" if curve["flat"] else "not flat: read as estimate", transform=axes.transAxes, ha="right",
        va="top", size=TEXT, color=GREY if curve["flat"] else WARNING, bbox=_BOX,
    )  # fmt: skip
