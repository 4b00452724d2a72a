"""Harm and fairness on the terminal, category by category, before and after, from the record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from tradeoffbounds.report.audit_reading import (
    BETTER,
    CONTEXTS,
    MEASURES,
    NAMES,
    OFF,
    ON,
    RISE,
    Row,
    compared,
    fairness_items,
    fairness_rows,
    harm_rows,
    overall,
    p_text,
    replaced_set,
    subject,
    weak_judge_warning,
)
from tradeoffbounds.report.quantities import ends, marked, number, plain
from tradeoffbounds.report.terminal import print_sentences, print_written, wide_console

Record = dict[str, Any]

#: No number: there is none to have.
NOT_APPLICABLE = "n/a"
_NONE = "-"
_SHORT = {"ambig": "ambig.", "disambig": "disambig."}


def print_audit(record: Record, folder: Path) -> None:
    """What was asked, each side's rates and scores, their changes, the verdict, and where the files are."""
    console = wide_console()
    for table in audit_tables(record):
        console.print(table)
    level = record["config"]["confidence"]
    console.print(
        f"m measured; brackets: {level:.0%} interval; {NOT_APPLICABLE}: no score can be given. Unparsed answers are in "
        "no rate and no score. Bias score: above 0 with the stereotype, below 0 against it.",
        style="dim",
    )
    if compared(record):
        console.print(
            "Changes are over pairs parsed on both sides. h: Cohen's effect size. adj. p: for the false discovery rate "
            "over all categories, or over all dimensions, contexts and both measures; all together apart from them; "
            f"* at most {1 - level:.2g}. seen from: the smallest change that is found with 80% power if no other row "
            "changes; none: no change could have been found.",
            style="dim",
        )
    print_sentences(console, record["verdict"])
    print_written(console, folder, "audit.json", "report.html")


def audit_tables(record: Record) -> list[Table]:
    """The sets asked, then of what was audited: each side by itself, and the changes between them."""
    tables = [_asked(record)]
    sides = [(record["base"], OFF), (record, ON)] if compared(record) else [(record, subject(record))]
    tables += [_harm(side["harm"], who) for side, who in sides if side["harm"] is not None]
    if compared(record) and (rows := harm_rows(record)):
        tables.append(_changes(rows, overall(record, "rate"), "category", "all categories"))
    tables += [_fairness(side["fairness"], who) for side, who in sides if side["fairness"] is not None]
    for measure, (condition, context) in product(MEASURES, CONTEXTS.items()):
        if compared(record) and (rows := fairness_rows(record, measure, condition)):
            whole = overall(record, measure, condition)
            tables.append(_changes(rows, whole, "dimension", "all dimensions", f", {context} contexts"))
    return tables


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column(headings[0], overflow="fold", min_width=12)
    for heading in headings[1:]:
        table.add_column(heading, justify="right", overflow="fold", no_wrap=True)  # names make room for numbers
    return table


def _headed(heading: str, measure: str) -> str:
    return f"{heading}\n({BETTER[measure]})"


def _asked(record: Record) -> Table:
    table = _table(f"Audit of {subject(record)}", "what", "set", "origin", "items", "judge")
    if (harm := record["harm"]) is not None:
        asked, judge = harm["set"], harm["judge"]
        replaced = replaced_set(record)
        table.add_row(
            "harm", asked["name"] + (f" for {replaced}" if replaced else ""),
            "STAND-IN" if replaced else asked["origin"], str(asked["prompts"]),
            f"{judge['name']} (WEAK)" if weak_judge_warning(record) else judge["name"],
        )  # fmt: skip
    if record["fairness"] is not None:
        table.add_row("fairness", "BBQ", "local", str(fairness_items(record)), _NONE)
    return table


def _harm(harm: Record, who: str) -> Table:
    table = _table(f"Harm, {who}", "category", "prompts", "unparsed", "harmful", _headed("rate", "rate"))
    together = {"all categories": harm["overall"]} if len(harm["categories"]) > 1 else {}
    for name, row in {**harm["categories"], **together}.items():
        if row["status"] == "ok":
            numbers = [str(row["unparsed"]), str(row["harmful"]), _or_na(row["rate"])]
        else:
            numbers = [_NONE, _NONE, row["status"]]
        table.add_row(name, str(row["n"]), *numbers)
    return table


def _fairness(fairness: Record, who: str) -> Table:
    headings = ("dimension", "context", "items", "unparsed", "not\nunknown")
    table = _table(f"Fairness, {who}", *headings, *(_headed(NAMES[name], name) for name in MEASURES))
    table.columns[1].justify = "left"
    for name, cells in fairness.items():
        for condition, cell in cells.items():
            table.add_row(
                name, _SHORT[condition], *(str(cell[count]) for count in ("n", "unparsed", "not_unknown")),
                *(_or_na(cell[measure]) for measure in MEASURES),
            )  # fmt: skip
    return table


def _changes(rows: Sequence[Row], whole: Record | None, what: str, together: str, where: str = "") -> Table:
    """The change of every row and, of several rows, of all of them together."""
    measure = rows[0].measure
    better, rise = (f"({text})".replace(" ", "\n") for text in (BETTER[measure], RISE[measure]))
    table = _table(
        f"Change in {NAMES[measure]}{where}, {OFF} -> {ON}",
        what, "pairs\n(left\nout)", "to/from\nstereo-\ntype" if measure == "bias" else "worse/\nbetter",
        f"off\n{better}", f"on\n{better}", f"change\n{rise}", "interval\nof the\nchange",
        *([] if measure == "bias" else ["h"]), "adj.\np", "seen\nfrom",
    )  # fmt: skip
    cells = [(row.name, row.change, row.status) for row in rows]
    if len(rows) > 1:
        cells.append((together, whole, "ok"))
    for name, change, status in cells:
        if change is None:
            missing = [*[_NONE] * 5, NOT_APPLICABLE if status == "ok" else status]
            table.add_row(name, *missing, *[_NONE] * (len(table.columns) - 1 - len(missing)))
        else:
            table.add_row(name, *_change(change, measure))
    return table


def _change(change: Record, measure: str) -> list[str]:
    low, high = ends(change["difference"])
    detectable, pairs = change["detectable"], str(change["pairs"])
    return [
        f"{pairs} ({change['left_out']})" if change["left_out"] else pairs, f"{change['worse']}/{change['better']}",
        *(f"m{plain(number(change[side]), 2)}" for side in ("before", "after", "difference")),
        f"[{plain(low, 2)}, {plain(high, 2)}]", *([] if measure == "bias" else [plain(change["effect_size"], 2)]),
        f"{p_text(change['p_adjusted'])}{'*' if change['significant'] else ''}",
        "none" if detectable is None else plain(detectable, 2),
    ]  # fmt: skip


def _or_na(quantity: Record | None) -> str:
    return NOT_APPLICABLE if quantity is None else marked(quantity, interval=True)
