"""All figures of an estimate, from its record alone."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from tradeoffbounds.report.bounds_figure import bounds_figure
from tradeoffbounds.report.case_two_reading import methods_of
from tradeoffbounds.report.figure_style import Record, save_figures
from tradeoffbounds.report.layers_figure import layers_figure
from tradeoffbounds.report.layers_reading import at_reference
from tradeoffbounds.report.methods_figure import methods_figure
from tradeoffbounds.report.radius_figure import radius_figure
from tradeoffbounds.report.scores_figure import scores_figure
from tradeoffbounds.report.theorem1_figure import theorem1_figure
from tradeoffbounds.report.trade_off_figure import trade_off_figure

_FIGURES = {
    "trade_off": trade_off_figure,
    "bounds": bounds_figure,
    "theorem1_terms": theorem1_figure,
    "classifier_scores": scores_figure,
}


def build_figures(record: Record) -> dict[str, Figure]:
    """File stem -> figure, none of it written yet nor known to pyplot."""
    rows = sorted(record["loss_constraint"], key=lambda row: row["penalty"])  # as a line is drawn
    record = record | {"loss_constraint": rows}
    figures = {name: build(record) for name, build in _FIGURES.items()}
    for which, method in enumerate(methods_of(record)):
        figures[f"radius_{method['peft']}" if which else "radius"] = radius_figure(record, method)
        if at_reference(method) is not None:
            figures[f"layers_{method['peft']}" if which else "layers"] = layers_figure(record, method)
    if record.get("method_comparison") is not None:
        figures["methods"] = methods_figure(record)
    return figures


def draw_figures(record: Record, folder: Path) -> list[Path]:
    """Write the figures as PNG into ``folder`` and return their paths; an interrupted one leaves no file."""
    return save_figures(build_figures(record), folder)
