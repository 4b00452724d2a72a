"""report.html of `audit`: the verdict, harm and fairness category by category, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradeoffbounds.audit_config import AuditConfig
from tradeoffbounds.page.audit_charts import dots_chart
from tradeoffbounds.page.cells import Cell, Notes, count_cell, text_cell
from tradeoffbounds.page.common import data_section, harm_warnings, repeat_section, words_section
from tradeoffbounds.page.meanings import MEANINGS
from tradeoffbounds.page.parts import Chart, Column, Folded, Page, Prose, Section, Table
from tradeoffbounds.page.parts import Row as Charts
from tradeoffbounds.report.audit_reading import (
    BETTER,
    CONTEXTS,
    MEASURES,
    NAMES,
    OFF,
    ON,
    Row,
    compared,
    fairness_rows,
    harm_rows,
    overall,
    p_text,
    sources,
    subject,
)
from tradeoffbounds.report.quantities import plain

Record = dict[str, Any]

_NOT_APPLICABLE = "n/a"


def audit_page(record: Record, notes: Notes) -> Page:
    """What the record says of harm and fairness, whichever was audited."""
    parts = [part for part in ("harm", "fairness") if record[part] is not None]
    adapter = record["adapter"]
    about = [
        ("Model", str(record["model"]["name"])),
        ("Adapter", "none" if adapter is None else f"{adapter['name']} ({adapter['method']})"),
        ("Audited", " and ".join(parts)),
    ]
    if record["harm"] is not None:
        about.append(("Judge", str(record["harm"]["judge"]["name"])))
    sections = [_harm(record, notes) if part == "harm" else _fairness(record, notes) for part in parts]
    asked = sources(record, *parts)["sources"]
    if "harm" in asked:
        asked["harm"]["sha256"] = record["harm"]["set"].get("sha256", "not recorded")
    sections += [data_section(asked, notes), repeat_section(record, "audit", AuditConfig), words_section(record)]
    title = "Harm and fairness, before and after" if compared(record) else "Harm and fairness"
    return Page(
        title, f"An audit of {subject(record)}.", about, harm_warnings(record["harm"]), record["verdict"], sections
    )


def _harm(record: Record, notes: Notes) -> Section:
    rows = harm_rows(record)
    parts: list[Any] = [_chart(rows, "Harmfulness rate by category", record)]
    if compared(record):
        parts.append(_changes(rows, overall(record, "rate"), "Category", "all categories", "", notes))
    parts.append(_sides(record, "harm", lambda side, who: _harm_table(side, who, notes)))
    return Section("Harm", parts)


def _fairness(record: Record, notes: Notes) -> Section:
    charts, tables = [], []
    for measure in MEASURES:
        for condition, context in CONTEXTS.items():
            rows = fairness_rows(record, measure, condition)
            if not rows:
                continue
            charts.append(
                dots_chart(rows, f"{NAMES[measure].capitalize()}, {context} contexts", compared=compared(record))
            )
            if compared(record):
                whole = overall(record, measure, condition)
                tables.append(_changes(rows, whole, "Dimension", "all dimensions", f", {context} contexts", notes))
    return Section(
        "Fairness (BBQ)",
        [Charts(charts), *tables, _sides(record, "fairness", lambda side, who: _cells(side, who, notes))],
    )


def _chart(rows: Sequence[Row], title: str, record: Record) -> Chart | Prose:
    return dots_chart(rows, title, compared=compared(record)) if rows else Prose([f"{title}: nothing was asked."])


def _sides(record: Record, part: str, build: Any) -> Folded | Table:
    """Each side by itself; folded where the changes stand above it."""
    if not compared(record):
        return build(record[part], subject(record))
    sides = [(record["base"], OFF), (record, ON)]
    tables = [build(side[part], who) for side, who in sides if side[part] is not None]
    return Folded("Each side by itself", tables)


def _changes(rows: Sequence[Row], whole: Record | None, what: str, together: str, where: str, notes: Notes) -> Table:
    """The change of every row and, of several, of all together; pairs parsed on both sides."""
    measure = rows[0].measure
    note = notes.place(MEANINGS[measure])
    columns = [
        Column(what, numeric=False), Column("Pairs", notes.place("Items whose answers were parsed on both sides.")),
        Column("Left out"), Column("To / from stereotype" if measure == "bias" else "Worse / better"),
        Column("Off", note), Column("On", note), Column("Change"),
        *([] if measure == "bias" else [Column("h", notes.place("Cohen's effect size h of the two rates."))]),
        Column("Adjusted p", notes.place("Adjusted for the false discovery rate over all rows of its family.")),
        Column("Significant", numeric=False),
        Column("Seen from", notes.place(
            "The smallest change that is found with 80% power if no other row changes; “none”: no change could have "
            "been found, so finding none says nothing."
        )),
    ]  # fmt: skip
    listed = [(row.name, row.change, row.status) for row in rows]
    if len(rows) > 1:
        listed.append((together, whole, "ok"))
    cells = []
    for name, change, status in listed:
        if change is None:
            cells.append(
                [
                    text_cell(name),
                    Cell(_NOT_APPLICABLE if status == "ok" else status),
                    *[Cell("none")] * (len(columns) - 2),
                ]
            )
            continue
        moved = float(change["worse"] - change["better"])
        cells.append([
            text_cell(name), count_cell(change["pairs"]), count_cell(change["left_out"]),
            Cell(f"{change['worse']} / {change['better']}", order=moved),
            *(notes.cell(measure, change[side]) for side in ("before", "after", "difference")),
            *([] if measure == "bias" else [Cell(plain(change["effect_size"], 2), order=change["effect_size"])]),
            Cell(p_text(change["p_adjusted"]), order=change["p_adjusted"]),
            text_cell("yes" if change["significant"] else "no"),
            Cell("none") if change["detectable"] is None else Cell(plain(change["detectable"], 2),
                order=change["detectable"]),
        ])  # fmt: skip
    return Table(
        f"Change in {NAMES[measure]}{where}: {OFF} → {ON}", columns, cells,
        f"{NAMES[measure].capitalize()}: {BETTER[measure]}. Unparsed answers are in no rate and no score.",
    )  # fmt: skip


def _harm_table(harm: Record, who: str, notes: Notes) -> Table:
    columns = [
        Column("Category", numeric=False), Column("Prompts"), Column("Unparsed"), Column("Harmful"),
        Column("Rate", notes.place(MEANINGS["rate"])),
    ]  # fmt: skip
    together = {"all categories": harm["overall"]} if len(harm["categories"]) > 1 else {}
    rows = []
    for name, each in {**harm["categories"], **together}.items():
        if each["status"] == "ok":
            counts = [count_cell(each["unparsed"]), count_cell(each["harmful"])]
            rate = notes.cell("rate", each["rate"], missing=_NOT_APPLICABLE)
        else:
            counts, rate = [Cell("none"), Cell("none")], Cell(each["status"])
        rows.append([text_cell(name), count_cell(each["n"]), *counts, rate])
    return Table(f"Harm, {who}", columns, rows)


def _cells(fairness: Record, who: str, notes: Notes) -> Table:
    columns = [
        Column("Dimension", numeric=False), Column("Context", numeric=False), Column("Items"), Column("Unparsed"),
        Column("Not unknown"), *(Column(NAMES[name].capitalize(), notes.place(MEANINGS[name])) for name in MEASURES),
    ]  # fmt: skip
    rows = [
        [
            text_cell(name), text_cell(CONTEXTS[condition]),
            *(count_cell(cell[count]) for count in ("n", "unparsed", "not_unknown")),
            *(notes.cell(measure, cell[measure], missing=_NOT_APPLICABLE) for measure in MEASURES),
        ]
        for name, cells in fairness.items()
        for condition, cell in cells.items()
    ]  # fmt: skip
    return Table(f"Fairness, {who}", columns, rows)
