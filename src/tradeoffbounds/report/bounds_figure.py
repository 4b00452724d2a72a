"""bounds.png: every upper bound against the penalty, by variant, with its kind to be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoffbounds.bounds.classifier_bound import trivial_capability, trivial_proxy, trivial_total
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
    Record,
    log_axis,
    log_x_axis,
    page,
    panel_style,
    positive,
    same_source,
)
from tradeoffbounds.report.quantities import known_from_below, number
from tradeoffbounds.report.record import reference

Pick = Callable[[Record], Record | None]
#: Label, the bound at a row (None: not in this record), colour, marker.
Series = tuple[str, Pick, str, str]

_EXACT = "exact from likelihoods"
_LOG_LOSS = "held-out log-loss"
_SERIES: dict[str, tuple[Series, ...]] = {
    "safety_gap": (
        ("paper", lambda row: row["theorem1"]["paper"], BLUE, "s"),
        ("refined", lambda row: row["theorem1"]["refined"], ORANGE, "o"),
        ("held-out limit", lambda row: row["certificate"].get("safety_gap"), BLACK, "D"),
    ),
    "capability_gap": (
        (r"(a) paper: $\lambda\,$KL$(\hat\mu\|\mu_f)$", lambda row: row["theorem2"]["paper"], BLUE, "s"),
        (r"(b) KL$(\mu_f\|\hat\mu)$", lambda row: row["theorem2"]["b"], SKY, "v"),
        ("(c) prompts alone", lambda row: row["theorem2"]["c"], GREEN, "^"),
        ("(d) value of the total", lambda row: row["theorem2"]["d"], PURPLE, "P"),
        ("refined", lambda row: row["theorem2"]["refined"], ORANGE, "o"),
        ("held-out limit", lambda row: row["certificate"]["capability_gap"], BLACK, "D"),
    ),
    "total": (
        (_LOG_LOSS, lambda row: row["classifier_bound"], BLUE, "o"),
        ("held-out limit", lambda row: row["certificate"]["total"], BLACK, "D"),
    ),
}


def bounds_figure(record: Record) -> Figure:
    """Three panels of upper bounds (nats/response) over λ: safety gap, capability gap, total."""
    figure = page(record, _finding(record), (13.0, 6.6))
    safety, capability, total = figure.subplots(1, 3)
    same = same_source(record)
    _panel(safety, record, "safety_gap", "Safety gap  $G_s$ (Theorem 1)", trivial_proxy if same else None)
    _panel(capability, record, "capability_gap", "Capability gap  $G_f$ (Theorem 2)", trivial_capability)
    _panel(total, record, "total", r"Total  $G_f + \lambda\,\hat G_s$ (classifier bound)", trivial_total)
    return figure


def _finding(record: Record) -> str:
    row = reference(record)
    certificate = row["certificate"]["total"]
    share = number(certificate) / trivial_total(row["penalty"])
    last = f"the total is certified at {share:.0%} of the bound known without data"
    if certificate.get("status", "ok") != "ok":
        last = "no total is certified below the bound known without data"
    exact = [each for each in record["loss_constraint"] if "exact" in each]
    broken = [each for each in exact if number(each["exact"]["safety_gap"]) > number(each["theorem1"]["refined"])]
    if broken:
        last = f"the exact safety gap exceeds the refined estimate at {len(broken)} of {len(exact)} λ"
    safety, capability = (_comparison(row[theorem]) for theorem in ("theorem1", "theorem2"))
    return (
        f"At {PENALTY} = {row['penalty']:g} the refined bound is {safety} on the safety gap and {capability} on the "
        f"capability gap; {last}"
    )


def _comparison(bounds: Record) -> str:
    """The refined bound against the paper's, said no more strongly than the two are known."""
    paper, refined = number(bounds["paper"]), number(bounds["refined"])
    from_below = [known_from_below(bounds[name]) for name in ("paper", "refined")]
    if paper == refined:
        return "equal to the paper's"
    if math.isinf(paper):
        return f"{refined:.2g} nats/response where the paper's is infinite"
    if refined < paper and refined > 0:
        hedge = "an estimated " if all(from_below) else "at least an estimated " if from_below[0] else ""
        return f"{hedge}{paper / refined:.2g} times smaller than the paper's"
    return "not comparable (the paper's KL is known only from below)" if from_below[0] else "above the paper's"


def _panel(axes: Axes, record: Record, quantity: str, title: str, trivial: Callable[[float], float] | None) -> None:
    rows = record["loss_constraint"]
    penalties = np.array([row["penalty"] for row in rows])
    shown: list[Any] = []
    for label, pick, colour, marker in _SERIES[quantity]:
        bounds = [bound for row in rows if (bound := pick(row)) is not None]
        if bounds:
            shown.append(_draw(axes, penalties, bounds, label, colour, marker))
    exact = [row["exact"][quantity] for row in rows if "exact" in row]
    if exact:
        shown.append(_exact(axes, penalties, exact))
    if trivial is not None:
        span = np.geomspace(penalties.min() / 1.05, penalties.max() * 1.05, 50)
        known = [trivial(float(penalty)) for penalty in span]
        axes.plot(span, known, color=GREY, linestyle=":", linewidth=1.8, label="known without data")
        shown.append(known)
    panel_style(axes, title)
    log_x_axis(axes, penalties)
    values = positive(*shown)
    log_axis(axes, "y", float(values.min(initial=1.0)) / 1.5, float(values.max(initial=1.0)) * 1.5)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=SMALL, frameon=False, handlelength=3.2)


def _draw(axes: Axes, penalties: np.ndarray, bounds: list[Record], label: str, colour: str, marker: str) -> list[float]:
    """One variant: certified solid and filled, anything weaker dashed and open. Returns what must be in view."""
    values = np.array([number(bound) for bound in bounds])
    # An infinite or zero bound has no place on a logarithmic axis; the legend says so.
    visible = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    certified = all(bound["kind"] == "certified" for bound in bounds)
    # The refined bound often coincides with the variant it chose: a wide line beneath shows both.
    beneath = label == "refined"
    dashes = (0, (1.6, 0.5)) if beneath else (0, (4, 1.5))
    axes.plot(
        penalties, visible, color=colour, label=f"{label}: {_remarks(bounds, values)}", marker=marker,
        linestyle="-" if certified else dashes, markerfacecolor=colour if certified else "none",
        linewidth=5 if beneath else 1.6, markersize=11 if beneath else 5 if certified else 7.5,
        alpha=0.55 if beneath else 1, markeredgewidth=1.4, zorder=2 if beneath else 3,
    )  # fmt: skip
    if label != _LOG_LOSS or bounds[0]["interval"] is None:
        return [float(value) for value in visible]
    low, high = np.array([bound["interval"] for bound in bounds], dtype=float).T
    # Down to just above zero, which is below the panel.
    errors = np.maximum([visible - np.maximum(low, 1e-9), high - visible], 0.0)
    axes.errorbar(
        penalties, visible, yerr=errors, color=colour, linestyle="none", capsize=4, linewidth=1,
        label=f"log-loss, {bounds[0]['confidence']:.0%} interval",
    )  # fmt: skip
    return [*map(float, visible), *map(float, high)]


def _exact(axes: Axes, penalties: np.ndarray, bounds: list[Record]) -> list[float]:
    values = [number(bound) for bound in bounds]
    axes.plot(penalties, values, color=BLACK, marker="x", markersize=8, linestyle="none", label=_EXACT)
    return values


def _remarks(bounds: list[Record], values: np.ndarray) -> str:
    """Kind, and what a reader must know before believing the line."""
    kinds = dict.fromkeys(bound["kind"] for bound in bounds)
    statuses = [bound.get("status", "ok") for bound in bounds]
    remarks = ["/".join(kinds)]
    if any(map(known_from_below, bounds)):
        remarks.append("KL from below")
    for count, what in (
        (int(np.isinf(values).sum()), "infinite"),
        (int((values == 0).sum()), "zero"),
        (sum("known without data" in status for status in statuses), "vacuous"),
    ):
        if count:
            remarks.append(f"{what} at {count} of {len(values)} λ")
    return ", ".join(remarks)
