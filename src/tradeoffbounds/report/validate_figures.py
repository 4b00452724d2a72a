"""All figures of a comparison with real fine-tunes, from its record alone."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from tradeoffbounds.report.ball_figure import ball_figure
from tradeoffbounds.report.figure_style import Record, save_figures
from tradeoffbounds.report.observed_figure import observed_figure
from tradeoffbounds.report.penalty_figure import penalty_figure
from tradeoffbounds.report.tuned_methods_figure import tuned_methods_figure


def build_validate_figures(record: Record) -> dict[str, Figure]:
    """File stem -> figure: those that the record has runs for, one of a penalty or a ball for each method."""
    if not record["runs"]:
        return {}
    figures = {"observed": observed_figure(record)}
    groups: dict[tuple[str, str], list[Record]] = {}
    for run in record["runs"]:
        groups.setdefault((run["config"]["method"], run["config"]["objective"]), []).append(run)
    for stem, constraint, build in (("penalty", "penalty", penalty_figure), ("ball", "radius", ball_figure)):
        for (method, objective), runs in groups.items():
            if any(run["config"][constraint] for run in runs):  # nothing moves in a ball of radius 0
                figures[f"{stem}_{method}_{objective}" if stem in figures else stem] = build(record, runs)
    if len(groups) > 1:
        figures["tuned_methods"] = tuned_methods_figure(record)
    return figures


def draw_validate_figures(record: Record, folder: Path) -> list[Path]:
    """Write the figures as PNG into ``folder`` and return their paths; an interrupted one leaves no file."""
    return save_figures(build_validate_figures(record), folder)
