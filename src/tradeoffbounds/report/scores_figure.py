"""classifier_scores.png: how well prompts tell the two sources apart, and whether more rows would tell more."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tradeoffbounds.report.figure_style import (
    BLACK, BLUE, COLOURS, GREY, PENALTY, SMALL, TEXT, UNIT, WARNING, Record, page, panel_style, reference,
)  # fmt: skip

_ROLES = ("proxy", "capability")


def scores_figure(record: Record) -> Figure:
    """Histogram of out-of-sample log-ratios (nats) beside the learning curve (nats/response)."""
    figure = page(record, _finding(record), (12.0, 5.8))
    scores, learning = figure.subplots(1, 2, width_ratios=(2, 1))
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
        f"At {at} the classifier recognises {shares[0]:.0%} of capability prompts and {shares[1]:.0%} of proxy prompts it "
        f"never saw (estimated TV of prompts {tv:.2g}){moving}"
    )


def _scores_panel(axes: Axes, record: Record) -> None:
    scores = record["classifier_scores"]
    title = "Out-of-sample scores of prompts"
    if scores["shared_prompts"]:
        axes.set_title(title, fontsize=TEXT + 1, loc="left")
        axes.set_axis_off()
        rows = sum(map(sum, (scores[role] for role in _ROLES)))
        axes.text(
            0.5, 0.5, "No histogram: proxy and capability share their prompts,\nso a prompt says nothing about its source\n"
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
            label=f"{role}: {record['sources'][role]['name']}".replace("$", r"\$"),
        )  # fmt: skip
    panel_style(axes, title, x="log p(capability | prompt) / p(proxy | prompt), nats", y="share of the source's rows, %")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    _decisions(axes, record, edges)
    _limit_note(axes, scores, edges)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.15), fontsize=TEXT, frameon=False, ncols=2)
