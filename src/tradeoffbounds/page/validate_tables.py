"""Tables of `validate`'s page: runs, observed gaps, bounds on each gap, what training lost, and how the bounds did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tradeoffbounds.page.cells import Cell, Notes, count_cell, text_cell
from tradeoffbounds.page.meanings import GAP_NAMES, MEANINGS
from tradeoffbounds.page.parts import Column, Section, Table
from tradeoffbounds.report.quantities import plain
from tradeoffbounds.report.validate_reading import BOUNDS, WORDS, by_bound, quantity_text, words_of

Record = dict[str, Any]

_GAPS = ("safety_gap", "proxy_gap", "capability_gap", "total")
_SLACK = {
    "total": "δ + κ", "information": "Predicted least total", "apart": "Training apart leaves", "sharing": "Sharing "
    "adds",
    "sharing_predicted": "Sharing, predicted",
}  # fmt: skip
_MEANINGS = {
    "certificate.total": "certificate",
    "capability.upper": "capability.bound",
    "capability.lower": "capability.bound",
}


def validate_sections(record: Record, notes: Notes) -> list[Section]:
    """Of what there is: how the bounds did, bounds on each gap, and the runs themselves."""
    runs = record["runs"]
    judged = by_bound(record)
    beside = [
        _beside(runs, gap, [name for name in judged if BOUNDS[name].quantity == gap], notes)
        for gap in GAP_NAMES if any(BOUNDS[name].quantity == gap for name in judged)
    ]  # fmt: skip
    sections = [Section("How the bounds did", [*([_summary(record)] if judged else []), _ranks(record, notes)])]
    if beside:
        sections.append(Section("Bounds, run by run", beside))
    if any(run["slack"] is not None for run in runs):
        sections.append(Section("What training lost", [_slack(runs, notes)]))
    if any(run["preference"] is not None for run in runs):
        sections.append(Section("Preference runs", [_preference(runs, notes)]))
    return [*sections, Section("Runs", [_runs(runs, notes), _observed(runs, notes)])]


def meaning_of(gap: str) -> str:
    return f"predicted.{gap}"


def bound_cell(run: Record, name: str, notes: Notes) -> Cell:
    """A bound of a run, with the word on it."""
    quantity = run["bounds"].get(name)
    meaning = "interference.bound" if name.startswith("interference.") else _MEANINGS.get(name, name)
    cell = notes.cell(meaning, quantity)
    return replace(cell, remark=run["verdict"][name]) if name in run["verdict"] and quantity is not None else cell


def _place(place: int) -> Cell:
    return Cell(str(place), order=float(place))


def _given(value: float | None) -> Cell:
    return Cell("none") if value is None else Cell(f"{value:g}", order=float(value))


def _runs(runs: Sequence[Record], notes: Notes) -> Table:
    columns = [
        Column("Run"), Column("Id", numeric=False), Column("Proxy", numeric=False), Column("Capability", numeric=False),
        Column("Method", numeric=False), Column("Loss", numeric=False), Column("λ"), Column("ε"), Column("Seed"),
        Column("Steps"), Column("Distance", notes.place(MEANINGS["observed.distance"])),
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for place, run in enumerate(runs, start=1):
        config = run["config"]
        rows.append([
            _place(place), text_cell(run["id"]),
            text_cell("none") if config["penalty"] is None else text_cell(str(config["proxy"])),
            text_cell(str(config["capability"])),
            text_cell(config["method"]), text_cell(config["objective"].upper()), _given(config["penalty"]),
            _given(config["radius"]),
            count_cell(config["seed"]), count_cell(config["steps"]),
            notes.cell("observed.distance", run["observed"]["distance"]),
        ])  # fmt: skip
    return Table("The fine-tunes", columns, rows)


def _observed(runs: Sequence[Record], notes: Notes) -> Table:
    columns = [Column("Run"), *(Column(GAP_NAMES[gap], notes.place(MEANINGS[f"observed.{gap}"])) for gap in _GAPS)]
    columns += [Column(f"{GAP_NAMES[gap]} before") for gap in ("safety_gap", "capability_gap")]
    rows: list[list[Cell]] = [
        [
            _place(place), *(notes.cell(f"observed.{gap}", run["observed"][gap]) for gap in _GAPS),
            *(notes.cell(f"observed.{gap}", run["observed"][f"{gap}_start"]) for gap in ("safety_gap",
                "capability_gap")),
        ]
        for place, run in enumerate(runs, start=1)
    ]  # fmt: skip
    return Table(
        "Observed gaps after the fine-tune, and before it", columns, rows, "In nats per response; less is better."
    )


def _beside(runs: Sequence[Record], gap: str, names: Sequence[str], notes: Notes) -> Table:
    columns = [
        Column("Run"), Column("Observed", notes.place(MEANINGS[f"observed.{gap}"])), Column("Predicted"),
        *(Column(BOUNDS[name].label) for name in names),
    ]  # fmt: skip
    rows: list[list[Cell]] = [
        [
            _place(place), notes.cell(f"observed.{gap}", run["observed"][gap]),
            notes.cell(meaning_of(gap), run["predicted"].get(gap)), *(bound_cell(run, name, notes) for name in names),
        ]
        for place, run in enumerate(runs, start=1)
        if any(name in run["judged"] for name in names)
    ]  # fmt: skip
    return Table(
        f"Bounds on the {GAP_NAMES[gap].lower()}", columns, rows, "In nats per response. Run: its place under Runs."
    )


def _slack(runs: Sequence[Record], notes: Notes) -> Table:
    columns = [
        Column("Run"),
        Column("λ"),
        *(Column(label, notes.place(MEANINGS["slack"])) for label in _SLACK.values()),
    ]
    rows: list[list[Cell]] = [
        [_place(place), _given(run["config"]["penalty"]), *(notes.cell("slack", run["slack"][name]) for name in _SLACK)]
        for place, run in enumerate(runs, start=1)
        if run["slack"] is not None
    ]
    return Table(
        "δ + κ: what the trained policy's total exceeds the predicted least by, and its parts", columns, rows,
        "In nats per response. Observed total less predicted least total is δ + κ, which is what training apart "
        "leaves and what sharing parameters adds.",
    )  # fmt: skip


def _preference(runs: Sequence[Record], notes: Notes) -> Table:
    found = [(place, run["preference"]) for place, run in enumerate(runs, start=1) if run["preference"] is not None]
    levels = list(found[0][1]["quantiles"])
    columns = [Column("Run"), Column("β"), Column("Mean", notes.place(MEANINGS["preference"]))]
    columns += [*(Column(f"{float(level):.0%} below") for level in levels), Column("Largest seen")]
    rows: list[list[Cell]] = [
        [
            _place(place), _given(each["beta"]), notes.cell("preference", each["expectation"]),
            *(notes.cell("preference", each["quantiles"][level]) for level in levels),
            notes.cell("preference", each["supremum"]),
        ]
        for place, each in found
    ]  # fmt: skip
    return Table("log(aligned / trained) on responses to safety prompts, nats", columns, rows)


def _summary(record: Record) -> Table:
    columns = [
        Column("Bound", numeric=False), Column("Runs"), Column("Hold"), *(Column(word.capitalize()) for word in WORDS),
        Column("In doubt"), Column("Median bound / observed"),
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for name, found in by_bound(record).items():
        words = words_of(found)
        doubt = sum(each.word == "violated" and not each.certain for each in found)
        median = record["summary"]["tightness"].get(name, {}).get("median")
        rows.append([
            text_cell(BOUNDS[name].label), count_cell(len(found)), count_cell(len(found) - words["violated"]),
            *(count_cell(words[word]) for word in WORDS), count_cell(doubt),
            Cell("none") if median is None else Cell(plain(median, 2), order=float(median)),
        ])  # fmt: skip
    return Table(
        "Bounds, over all runs", columns, rows,
        "Tight: up to 2 times the observed gap; loose: up to 10; far: beyond. Vacuous: no better than known "
        "without data. In doubt: violated within the sampling interval.",
    )  # fmt: skip


def _ranks(record: Record, notes: Notes) -> Table:
    rows: list[list[Cell]] = []
    for quantity, found in record["summary"]["rank_correlation"].items():
        if found["runs"]:
            cell = notes.cell("spearman", found["spearman"], missing="cannot be said")
            rows.append([text_cell(quantity_text(quantity)), cell, count_cell(found["runs"])])
    columns = [
        Column("Quantity", numeric=False),
        Column("Rank correlation", notes.place(MEANINGS["spearman"])),
        Column("Runs"),
    ]
    return Table("Do predictions rank the runs?", columns, rows)
