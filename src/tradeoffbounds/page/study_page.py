"""report.html of `study`: the verdict, what each choice did, the fronts, and every fine-tune."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from tradeoffbounds.page.cells import Cell, Notes, text_cell
from tradeoffbounds.page.common import data_section, harm_warnings, repeat_section, words_section
from tradeoffbounds.page.parts import Column, Folded, Page, Row, Section, Table
from tradeoffbounds.page.study_charts import effects_chart, front_chart
from tradeoffbounds.report.audit_reading import listed, p_text
from tradeoffbounds.report.quantities import plain
from tradeoffbounds.report.study_reading import (
    COSTS,
    OUTCOMES,
    asked,
    capitalised,
    cells,
    cost_text,
    factor_text,
    factors,
    level_text,
    setting_text,
    share_text,
    title,
)
from tradeoffbounds.study_config import StudyConfig

Record = dict[str, Any]


def study_page(record: Record, notes: Notes) -> Page:
    """What the record says of every choice and every fine-tune."""
    names = [factor_text(name) for name in factors(record)]
    about = [
        ("Fine-tunes", str(len(record["runs"]))),
        ("They differ in", listed(names) if names else "nothing"),
    ]
    if record["asked"]["harm"] is not None:
        about.append(("Judge", str(record["asked"]["harm"]["judge"]["name"])))
    sections = [
        Section("What each choice did", [Row([effects_chart(record, name) for name in record["factors"]]),
                                         Folded("As a table", [_effects(record, notes)])]),
        *(_front(record, front, notes) for front in record["fronts"]),
        Section("Every fine-tune", [_runs(record, notes)]),
        data_section(asked(record)["sources"], notes),
        repeat_section(record, "study", StudyConfig),
        words_section(record),
    ]  # fmt: skip
    return Page(
        "Which choice mattered?", "A study of finished fine-tunes, each audited against its start.", about,
        harm_warnings(record["asked"]["harm"]), record["verdict"], sections,
    )  # fmt: skip


def _effects(record: Record, notes: Notes) -> Table:
    columns = [
        Column("Outcome", numeric=False), Column("Choice", numeric=False), Column("Level", numeric=False),
        Column("Mean", notes.place("Over blocks of fine-tunes that are alike in all else and have every level.")),
        Column("Least"), Column("Largest"),
        Column("Share", notes.place(
            "What part of the variance between fine-tunes the choice explains, at the levels tried; what all choices "
            "leave is explained by their combinations."
        )),
        Column("Adjusted p", notes.place(
            "By permutation of the levels within blocks, adjusted for the false discovery rate over the whole table."
        )),
        Column("Least p", notes.place("The smallest p, not adjusted, that so many blocks can give.")),
        Column("Significant", numeric=False),
    ]  # fmt: skip
    rows = []
    for cell in cells(record):
        effect = cell.effect
        shared = [
            Cell(share_text(effect), order=effect["share"]), _p(effect["p_adjusted"]), _p(effect["least_p"]),
            text_cell("yes" if effect["significant"] else "no"),
        ]  # fmt: skip
        outcome = text_cell(OUTCOMES[cell.outcome].label)
        for level, each in (effect["levels"] or {"no complete block": None}).items():
            name = level if each is None else level_text(cell.factor, level)
            values = [Cell("none")] * 3 if each is None else [
                Cell(plain(each[which], 2), order=each[which]) for which in ("mean", "least", "largest")
            ]  # fmt: skip
            rows.append([outcome, text_cell(factor_text(cell.factor)), text_cell(name), *values, *shared])
    return Table("Every choice and every outcome", columns, rows)


def _front(record: Record, front: Record, notes: Notes) -> Section:
    columns = [
        Column("Fine-tune", numeric=False), *(Column(capitalised(cost_text(record, name))) for name in COSTS),
        Column("On the front", notes.place("No other fine-tune is at least as good in all three."), numeric=False),
        Column("In resamples", notes.place("Share of resamples of the rows asked in which it is on the front.")),
    ]  # fmt: skip
    rows = [
        [
            text_cell(setting_text(record, run["run"])),
            *(Cell("none") if run[name] is None else Cell(plain(run[name], 3), order=run[name]) for name in COSTS),
            text_cell("yes" if run["on_front"] else "no"),
            Cell(f"{100 * run['resamples_on_front']:.0f}%", order=run["resamples_on_front"]),
        ]
        for run in sorted(front["runs"], key=lambda each: -each["resamples_on_front"])
    ]  # fmt: skip
    charts = [front_chart(record, front, x, y) for x, y in combinations(COSTS, 2)]
    return Section(
        f"Safety, fairness and capability: {front['model']} on {front['capability']}",
        [Row(charts), Table("Which fine-tunes no other beats in all three", columns, rows)],
    )


def _runs(record: Record, notes: Notes) -> Table:
    outcomes = [name for name in OUTCOMES if any(run["outcomes"].get(name) for run in record["runs"])]
    columns = [
        Column("Fine-tune", numeric=False),
        *(Column(title(record, name), notes.place(f"In {OUTCOMES[name].unit}; {OUTCOMES[name].better}."))
          for name in outcomes),
    ]  # fmt: skip
    rows = [
        [text_cell(setting_text(record, which) or str(run["id"])),
         *(notes.cell("outcome", run["outcomes"][name]) for name in outcomes)]
        for which, run in enumerate(record["runs"])
    ]  # fmt: skip
    return Table("Outcomes of every fine-tune, against its start", columns, rows)


def _p(value: float | None) -> Cell:
    return Cell("n/a") if value is None else Cell(p_text(value), order=value)
