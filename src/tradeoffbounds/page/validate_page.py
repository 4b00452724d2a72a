"""report.html of `validate`: the verdict, bounds beside observations, gaps along λ and ε, and every run's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tradeoffbounds.page.cells import Notes
from tradeoffbounds.page.common import data_section, repeat_section, stand_in_warnings, words_section
from tradeoffbounds.page.meanings import GAP_NAMES, GAPS
from tradeoffbounds.page.parts import Card, Choice, Explorer, Line, Page, Prose, Row, Section
from tradeoffbounds.page.validate_charts import gap_over_chart, observed_chart, predicted_chart, trade_off_chart
from tradeoffbounds.page.validate_tables import bound_cell, meaning_of, validate_sections
from tradeoffbounds.report.validate_reading import BOUNDS, Along, counted, entry, method_text, sweeps
from tradeoffbounds.validate_config import ValidateConfig

Record = dict[str, Any]

_ALONG: dict[Along, tuple[str, str, str]] = {
    "penalty": ("λ", "Penalty λ", "Along the penalty λ"),
    "radius": ("ε", "Radius ε", "Along the radius ε"),
}


def validate_page(record: Record, notes: Notes) -> Page:
    """What the record says of its fine-tunes."""
    runs = record["runs"]
    sections: list[Section] = []
    if runs:
        charts = [chart for chart in (observed_chart(record), predicted_chart(record)) if chart.data]
        sections.append(Section("Bound beside observed", [Row(charts)]))
        sections += [section for along in _ALONG if (section := _along(runs, along, notes)) is not None]
        sections += validate_sections(record, notes)
    else:
        sections.append(Section("Fine-tunes", [Prose(["No fine-tune was run, so there is nothing to show."])]))
    sections += [
        data_section(record["sources"], notes, record.get("references")),
        repeat_section(record, "validate", ValidateConfig),
        words_section(record),
    ]
    mode = str(record["mode"])
    about = [("Fine-tunes", str(len(runs))), ("Mode", str(_MODES.get(mode, mode)))]
    for role in ("alignment", "proxy", "capability"):
        names = [
            str(source["name"])
            for name, source in record["sources"].items()
            if name == role or name.startswith(f"{role}: ")
        ]
        about += [(role.capitalize(), ", ".join(names))] if names else []
    about.append(("Start", str(record["start"]["model"])))
    return Page(
        "Bound versus observed",
        "Real fine-tunes beside the bounds and predictions that were made before their first step.",
        about,
        stand_in_warnings(record["sources"]),
        record["verdict"],
        sections,
    )


_MODES = {
    "teacher": "teacher: sources are models, gaps are exact KLs on held-out prompts",
    "dataset": "dataset: gaps are relative to a named reference",
    "finite": "finite: the sources are tables",
}


def _along(runs: Sequence[Record], along: Along, notes: Notes) -> Section | None:
    """A slider over the penalties or radii of every setting that was tried with some of them."""
    symbol, label, title = _ALONG[along]
    choices = []
    for sweep in sweeps(runs, along):
        seeds = dict.fromkeys(run["config"]["seed"] for run in sweep.runs)
        for seed in seeds:
            own = [run for _, group in sweep.points for run in group if run["config"]["seed"] == seed]
            text = _setting(own[0], along) + (f", seed {seed}" if len(seeds) > 1 else "")
            choices.append(_choice(text, own, along, symbol, notes))
    if not choices:
        return None
    choices = [replace(each, label=f"{each.label} ({place})") if _twice(choices, each.label) else each
               for place, each in enumerate(choices, start=1)]  # fmt: skip
    intro = (
        f"One setting at a time: move {symbol} over the fine-tunes that were run. Observed gaps are measured, bounds "
        "and predictions were made before the first step; in nats per response, less is better."
    )
    return Section(title, [Explorer(along, symbol, label, choices, "Setting")], intro)


def _twice(choices: Sequence[Choice], label: str) -> bool:
    return sum(each.label == label for each in choices) > 1


def _setting(run: Record, along: Along) -> str:
    config = run["config"]
    sources = ("capability",) if config["penalty"] is None else ("proxy", "capability")
    parts = [" → ".join(entry(part, config[part]) for part in sources), method_text(config)]
    other: Along = "radius" if along == "penalty" else "penalty"
    return ", ".join([*parts, *([entry(other, config[other])] if config[other] is not None else [])])


def _choice(label: str, runs: Sequence[Record], along: Along, symbol: str, notes: Notes) -> Choice:
    cards = []
    for gap in (*GAPS, "interference"):
        if all(run["observed"].get(gap) is None for run in runs):
            continue
        names = [name for name in BOUNDS if BOUNDS[name].quantity == gap and any(name in run["bounds"] for run in runs)]
        lines = [
            Line(
                "Observed",
                [notes.cell(f"observed.{gap}", run["observed"].get(gap), missing="not observed") for run in runs],
            ),
            Line(
                "Predicted",
                [notes.cell(meaning_of(gap), run["predicted"].get(gap), missing="not predicted") for run in runs],
            ),
            *(Line(_capital(BOUNDS[name].label), [bound_cell(run, name, notes) for run in runs]) for name in names),
        ]
        complete = all(run["observed"].get(gap) is not None for run in runs)
        chart = gap_over_chart(runs, gap, along, symbol, names) if complete and len(runs) > 1 else None
        cards.append(Card(GAP_NAMES[gap], _QUESTIONS[gap], lines, chart))
    return Choice(
        label, [f"{run['config'][along]:.12g}" for run in runs], list(range(len(runs))), len(runs) - 1, cards,
        trade_off_chart(runs, along, symbol), f"{counted(len(runs), 'fine-tune')}.",
    )  # fmt: skip


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


_QUESTIONS = {
    "safety_gap": "How far from the original alignment data?",
    "proxy_gap": "How far from the proxy safety data?",
    "capability_gap": "How far from the fine-tuning data?",
    "total": "G_f + λ Ĝ_s: both losses together",
    "interference": "Training together beyond training apart",
}
