"""trade_off.png: the brackets of all gaps over the penalty, and the frontier of capability against proxy gap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tradeoffbounds.bounds.classifier_bound import trivial_total
from tradeoffbounds.report.figure_style import (
    BLACK,
    COLOURS,
    GREY,
    PENALTY,
    SMALL,
    UNIT,
    Record,
    log_axis,
    log_x_axis,
    page,
    panel_style,
    positive,
    same_source,
)
from tradeoffbounds.report.quantities import number
from tradeoffbounds.report.record import reference

Array = np.ndarray

_TITLES = {
    "total": r"Total  $G_f + \lambda\,\hat G_s$",
    "capability_gap": r"Capability gap  $G_f(P_\lambda)$",
    "proxy_gap": r"Proxy gap  $\hat G_s(P_\lambda)$",
    "safety_gap": r"True safety gap  $G_s(P_\lambda)$",
}
_TRIVIAL: dict[str, Any] = {"color": GREY, "linestyle": (0, (5, 2)), "linewidth": 1.2}


def trade_off_figure(record: Record) -> Figure:
    """Three or four panels of a gap (nats/response) over λ, and the frontier."""
    same = same_source(record)
    figure = page(record, _finding(record), (11.5, 7.4) if same else (14.0, 7.6), legend=_legend(record))
    grid = figure.add_gridspec(2, 2 if same else 3)
    titles = _TITLES | (
        {"proxy_gap": r"Safety gap = proxy gap  $G_s(P_\lambda) = \hat G_s(P_\lambda)$"} if same else {}
    )
    places = {"total": grid[0, 0], "capability_gap": grid[0, 1], "proxy_gap": grid[1, 0]}
    if not same:
        places["safety_gap"] = grid[1, 1]
    for name, place in places.items():
        _gap_panel(figure.add_subplot(place), record, name, titles[name])
    _frontier_panel(figure.add_subplot(grid[1, 1] if same else grid[:, 2]), record, same)
    return figure


def _finding(record: Record) -> str:
    row = reference(record)
    certificate, safety = row["certificate"]["total"], row["predicted"]["safety_gap"]
    cost, known = number(row["bracket"]["total"]["upper"]), f"at most {{:.2g}} {UNIT} by estimate"
    if "exact" in row:
        cost, known = number(row["exact"]["total"]), f"{{:.2g}} {UNIT} by the models' likelihoods"
        safety = row["exact"]["safety_gap"]
    proved = f"certified: {number(certificate):.2g}" if certificate.get("status", "ok") == "ok" else "no certificate"
    text = (
        f"At {PENALTY} = {row['penalty']:g} the best trade-off costs {known.format(cost)} ({proved}), "
        f"{cost / trivial_total(row['penalty']):.0%} of what any two data sets could cost"
    )
    if same_source(record):
        return text
    low, high = (math.inf if end is None else end for end in safety["interval"])
    verb = "is" if "exact" in row else "is estimated at"
    return f"{text}; the true safety gap {verb} {number(safety):.2g} ({low:.2g} to {high:.2g})"


def settled(record: Record, quantity: str) -> bool:
    """Whether the lower end of a bracket may be read as a lower limit."""
    return all(row["bracket"][quantity]["lower"].get("status", "ok") == "ok" for row in record["loss_constraint"])


def _certificate(record: Record, quantity: str) -> Array:
    """The certificate over the grid, NaN where it is no better than the bound known without data."""
    certified, known = (np.array(record["curves"][name][quantity], dtype=float) for name in ("certificate", "trivial"))
    return np.where(certified < known * (1 - 1e-9), certified, np.nan)


def _gap_panel(axes: Axes, record: Record, quantity: str, title: str) -> None:
    curves = record["curves"]
    penalties = np.array(curves["penalties"])
    ends = {name: np.array(values, dtype=float) for name, values in curves[quantity].items()}
    colour = COLOURS[quantity]
    shown = [ends["upper"], ends["band_high"]]
    if quantity in curves["trivial"]:
        shown += [np.array(curves["trivial"][quantity]), _certificate(record, quantity)]
    exact = [(row["penalty"], row["exact"][quantity]) for row in record["loss_constraint"] if "exact" in row]
    top = float(positive(*shown, [number(bound) for _, bound in exact]).max(initial=1e-6)) * 1.5
    # A lower end of zero must not stretch the axis over empty decades.
    highest = positive(ends["upper"]).min(initial=top)
    floor = max(float(positive(ends["lower"]).min(initial=highest)), highest / 30) / 2
    above = {name: np.maximum(values, floor) for name, values in ends.items()}

    axes.fill_between(penalties, above["lower"], above["upper"], color=colour, alpha=0.5, linewidth=0)
    axes.fill_between(penalties, above["upper"], above["band_high"], color=colour, alpha=0.2, linewidth=0)
    if settled(record, quantity):
        axes.fill_between(penalties, above["band_low"], above["lower"], color=colour, alpha=0.2, linewidth=0)
    else:
        axes.fill_between(
            penalties, floor, above["lower"], facecolor="none", edgecolor=colour, alpha=0.35, hatch="//", linewidth=0
        )
    for name in ("lower", "upper"):
        visible = np.where(ends[name] >= floor, ends[name], np.nan)
        axes.plot(penalties, visible, color=colour, linestyle="--", linewidth=1.4)
    if quantity in curves["trivial"]:
        axes.plot(penalties, curves["trivial"][quantity], **_TRIVIAL)
        _certificate_line(axes, penalties, _certificate(record, quantity), colour)
    for penalty, bound in exact:
        value = number(bound)
        if not math.isfinite(value):
            continue
        low, high = bound["interval"] or (value, value)
        axes.errorbar(
            penalty, max(value, floor), yerr=[[max(value - max(low, floor), 0.0)], [high - value]], color=BLACK,
            marker="D", markersize=5, capsize=3, linewidth=1.2, zorder=5,
        )  # fmt: skip
    panel_style(axes, title)
    log_x_axis(axes, [*penalties, *(row["penalty"] for row in record["loss_constraint"])])
    if quantity == "safety_gap" and "status" in reference(record)["theorem1"]["refined"]:
        axes.text(
            0.98, 0.98, r"upper end uses KL$(\mu\,\|\,\hat\mu)$, known only from below", transform=axes.transAxes,
            ha="right", va="top", size=SMALL - 0.5, color=GREY,
        )  # fmt: skip
        top *= (top / floor) ** 0.16  # room for it
    log_axis(axes, "y", floor, top)


def _certificate_line(axes: Axes, x: Array, y: Array, colour: str) -> None:
    axes.plot(x, y, color=colour, linewidth=1.4, marker="o", markersize=4.5, markevery=max(1, len(x) // 12))


def _frontier_panel(axes: Axes, record: Record, same: bool) -> None:
    """Capability gap against proxy gap along λ: no policy lies left of and below the lower curve."""
    curves = record["curves"]
    pairs = {
        name: tuple(np.array(curves[gap][name], dtype=float) for gap in ("proxy_gap", "capability_gap"))
        for name in ("lower", "upper")
    }
    known = tuple(np.array(curves["trivial"][gap]) for gap in ("proxy_gap", "capability_gap"))
    certified = tuple(_certificate(record, gap) for gap in ("proxy_gap", "capability_gap"))
    limits = []
    for at in (0, 1):
        top = float(positive(pairs["upper"][at], known[at], certified[at]).max(initial=1e-6))
        limits.append(
            (max(float(positive(pairs["lower"][at], pairs["upper"][at], [top]).min()), top * 1e-4) / 2, top * 1.5)
        )
    low, high = (
        tuple(np.maximum(values, limits[at][0]) for at, values in enumerate(pairs[name])) for name in ("lower", "upper")
    )
    axes.fill(
        *(np.concatenate([a, b[::-1]]) for a, b in zip(low, high, strict=True)), color=BLACK, alpha=0.18, linewidth=0
    )
    if not all(settled(record, gap) for gap in ("proxy_gap", "capability_gap")):
        axes.fill_between(
            low[0], limits[1][0], low[1], facecolor="none", edgecolor=BLACK, alpha=0.25, hatch="//", linewidth=0
        )
    for end in (low, high):
        axes.plot(end[0], end[1], color=BLACK, linestyle="--", linewidth=1.4)
    axes.plot(known[0], known[1], **_TRIVIAL)
    _certificate_line(axes, certified[0], certified[1], BLACK)
    panel_style(
        axes, "Frontier along λ", x=f"{'safety gap = ' if same else ''}proxy gap, {UNIT}", y=f"capability gap, {UNIT}"
    )
    log_axis(axes, "x", *limits[0])
    log_axis(axes, "y", *limits[1])
    exact = [row["exact"] for row in record["loss_constraint"] if "exact" in row]
    axes.plot(
        *([max(number(each[gap]), 1e-12) for each in exact] for gap in ("proxy_gap", "capability_gap")),
        color=BLACK, marker="D", markersize=5, linestyle="none", zorder=5,
    )  # fmt: skip
    side = -1 if not exact else 1  # exact points lie below the upper end, certificates above it
    for penalty in (0.01, 1.0, 100.0):
        at = int(np.argmin(np.abs(np.log(np.array(curves["penalties"]) / penalty))))
        if abs(np.log(curves["penalties"][at] / penalty)) < 0.1:
            axes.plot(high[0][at], high[1][at], marker="s", color=BLACK, markersize=5)
            axes.annotate(
                f"λ = {penalty:g}", (high[0][at], high[1][at]), xytext=(side * 12, side * 12), size=SMALL,
                textcoords="offset points", ha="right" if side < 0 else "left", va="top" if side < 0 else "bottom",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5}, annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": BLACK, "linewidth": 0.8},
            )  # fmt: skip


def _legend(record: Record) -> list[Artist]:
    level = f"{record['curves']['confidence']:.0%}"
    quantities = ("total", "capability_gap", "proxy_gap")
    certified = any(np.isfinite(_certificate(record, quantity)).any() for quantity in quantities)
    handles: list[Artist] = [
        Patch(facecolor=GREY, alpha=0.5, label="bracket: lower to upper end (estimated)"),
        Patch(facecolor=GREY, alpha=0.2, label=f"{level} band beyond the ends"),
        Line2D([], [], **_TRIVIAL, label="known without data"),
        Line2D([], [], color=GREY, marker="o", markersize=4.5, label=f"certified at {level}, each point by itself")
        if certified
        else Line2D([], [], linestyle="none", label="certificate: no better than known without data"),
    ]
    if not all(settled(record, quantity) for quantity in _TITLES):
        handles.append(
            Patch(facecolor="none", edgecolor=GREY, hatch="//", label="not excluded: lower end still moves with rows")
        )
    if any("exact" in row for row in record["loss_constraint"]):
        label = f"exact from likelihoods, {level} interval"
        handles.append(Line2D([], [], color=BLACK, marker="D", markersize=5, linestyle="none", label=label))
    return handles
