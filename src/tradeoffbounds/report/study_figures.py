"""All figures of a study, from its record and its audits alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from tradeoffbounds.report.audit_shift_figure import shift_figure, shiftable
from tradeoffbounds.report.figure_style import Record, save_figures
from tradeoffbounds.report.study_effects_figure import effects_figure
from tradeoffbounds.report.study_front_figure import front_figure


def build_study_figures(record: Record, audits: Sequence[Record]) -> dict[str, Figure]:
    """File stem -> figure: effects; a front for every group of runs; shift where harm and BBQ were both asked.

    Args:
        audits: of the runs, in their order.
    """
    found = {"effects": effects_figure(record)}
    for place, front in enumerate(record["fronts"]):
        found[f"front_{place + 1}" if place else "front"] = front_figure(record, front)
    if any(map(shiftable, audits)):
        found["shift"] = shift_figure(audits)
    return found


def draw_study_figures(record: Record, audits: Sequence[Record], folder: Path) -> list[Path]:
    """Write the figures as PNG into ``folder`` and return their paths."""
    return save_figures(build_study_figures(record, audits), folder)
