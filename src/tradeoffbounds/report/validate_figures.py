"""All figures of a comparison with real fine-tunes, from its record alone."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from tradeoffbounds.models.prompt_init import PROMPT_INITS
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
    texts = list(dict.fromkeys(run["config"].get("prompt_init") for run in record["runs"]))
    groups: dict[str, list[Record]] = {}
    for run in record["runs"]:
        groups.setdefault(_group(run["config"], texts), []).append(run)
    for stem, constraint, build in (("penalty", "penalty", penalty_figure), ("ball", "radius", ball_figure)):
        for group, runs in groups.items():
            if any(run["config"][constraint] for run in runs):  # nothing moves in a ball of radius 0
                figures[f"{stem}_{group}" if stem in figures else stem] = build(record, runs)
    if len(groups) > 1:
        figures["tuned_methods"] = tuned_methods_figure(record)
    return figures


def _group(config: Record, texts: list[str | None]) -> str:
    """What has figures of its own, as a part of a file's name; of a text of the user's own the place among all."""
    parts = [config["method"], config["objective"]]
    if (prompt_init := config.get("prompt_init")) is not None:
        parts.insert(1, prompt_init if prompt_init in PROMPT_INITS else f"text-{texts.index(prompt_init)}")
    return "_".join(parts)


def draw_validate_figures(record: Record, folder: Path) -> list[Path]:
    """Write the figures as PNG into ``folder`` and return their paths; an interrupted one leaves no file."""
    return save_figures(build_validate_figures(record), folder)
