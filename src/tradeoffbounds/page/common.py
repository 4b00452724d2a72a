"""Sections that every page has: where the data are from, how to repeat it, what the words mean; and the warnings."""

from __future__ import annotations

from typing import Any

from tradeoffbounds.page.cells import Notes, count_cell, text_cell
from tradeoffbounds.page.command import command
from tradeoffbounds.page.meanings import CITATIONS, KINDS, TERMS
from tradeoffbounds.page.parts import Column, Facts, Folded, Prose, Section, Table
from tradeoffbounds.report.audit_reading import replaced_set

Record = dict[str, Any]


def stand_in_warnings(sources: Record) -> list[str]:
    """One sentence that says which data are stand-ins; none where all are what they are called."""
    replaced = [
        f"{role} is {source['name']} and not {source['stand_in_for']}"
        for role, source in sources.items()
        if source.get("stand_in_for")
    ]
    if not replaced:
        return []
    return [
        f"STAND-IN DATA: {'; '.join(replaced)}. These rows were written for this project. The numbers show how the "
        "tool works and say nothing about the data sets that they stand in for."
    ]


def harm_warnings(harm: Record | None) -> list[str]:
    """What must not be missed of the prompts and the judge of harm; ``harm`` has its ``set`` and ``judge``."""
    if harm is None:
        return []
    found, judge = [], harm["judge"]
    if replaced := replaced_set({"harm": harm}):
        found.append(
            f"STAND-IN DATA: the harmful prompts are {harm['set']['name']}, written for this project, and not "
            f"{replaced}. The rates say nothing about that set."
        )
    if judge["weak"]:
        known = f" {judge['calibration'][0].upper()}{judge['calibration'][1:]}." if judge["calibration"] else ""
        found.append(
            f"WEAK JUDGE: {judge['name']} sees the form of an answer, not its harm. A rate here is no measure of "
            f"harm; a change is one of form.{known}"
        )
    return found


def data_section(sources: Record, notes: Notes, references: Record | None = None) -> Section:
    """Where every row came from, and what counts as a gap of 0 where the record says so."""
    counts = [name for name in ("train", "validation", "test") if any(name in each for each in sources.values())]
    with_cuts = any(each.get("truncated") for each in sources.values())
    columns = [
        Column("Role", numeric=False), Column("Data", numeric=False), Column("Origin", numeric=False), Column("Rows"),
        *(Column(name.capitalize()) for name in counts),
        *([Column("Cut short", notes.place("Rows longer than --max-tokens, of which the end was not read."))]
          if with_cuts else []),
        Column("SHA-256", notes.place("Hash of the rows' content: the same rows have the same hash."), numeric=False),
    ]  # fmt: skip
    rows = []
    for role, source in sources.items():
        replaced = source.get("stand_in_for")
        name = f"{source['name']}, standing in for {replaced}" if replaced else str(source["name"])
        rows.append([
            text_cell(role), text_cell(name), text_cell("STAND-IN" if replaced else source["origin"]),
            count_cell(source["rows"]),
            *(count_cell(source.get(each)) for each in counts),
            *([count_cell(source.get("truncated"))] if with_cuts else []),
            text_cell(str(source.get("sha256", "not recorded"))[:12]),
        ])  # fmt: skip
    table = Table("Sources", columns, rows)
    if not references:
        return Section("Data", [table])
    meant = [(f"{gap.replace('_', ' ').capitalize()} of 0", text) for gap, text in references.items()]
    return Section("Data", [table, Facts(meant)])


def repeat_section(record: Record, door: str, options: type[Any]) -> Section:
    """The command, and the versions that it ran on."""
    line, unknown = command(door, options, record["config"])
    parts: list[Any] = [Prose([line], "code")]
    if unknown:
        parts.append(Prose([
            f"The record does not know {', '.join(unknown)}: it is older than these options, or leaves them out. Above "
            "they are at their present defaults."
        ]))  # fmt: skip
    environment = record["environment"]
    facts = [
        (name.replace("_", " ").capitalize(), str(environment[key]))
        for name, key in (("python", "python"), ("platform", "platform"), ("device", "device"),
            ("number format", "dtype"),
                          ("CPU cores", "cpu_count"), ("chat template", "template_sha256"))
        if environment.get(key) is not None
    ]  # fmt: skip
    versions = environment.get("versions", {})
    facts += [(name, version or "not recorded") for name, version in versions.items()]
    facts.append(("record", str(record["schema"])))
    return Section("Repeat it", [*parts, Folded("Versions and machine", [Facts(facts)])])


def words_section(record: Record) -> Section:
    """Kinds, terms, assumptions, sources of the theory."""
    return Section(
        "What the words mean",
        [
            Facts([*((kind, f"{text}.") for kind, text in KINDS.items()), *TERMS.items()]),
            *_assumptions(record),
            Prose([f"{each}." for each in CITATIONS], "list"),
        ],
    )


def _assumptions(record: Record) -> list[Folded]:
    named = record.get("assumptions")
    return [Folded("Assumptions", [Facts([(name, f"{text}.") for name, text in named.items()])])] if named else []
