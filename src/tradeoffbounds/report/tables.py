"""Tables and verdict on the terminal, from the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from tradeoffbounds.report.case_two_tables import case_two_tables
from tradeoffbounds.report.quantities import marked
from tradeoffbounds.report.terminal import print_sentences, print_written, wide_console

Record = dict[str, Any]


def print_estimate(record: Record, folder: Path) -> None:
    """Sources, the penalties and the radii side by side, the verdict, and where the files are."""
    console = wide_console()
    console.print(sources_table(record))
    console.print(_gaps(record))
    console.print(_bounds(record))
    for table in case_two_tables(record):
        console.print(table)
    console.print(
        "nats per response; of gaps, less is better. No mark: certified; m measured; ~ estimated; p predicted. "
        f"Brackets: {record['config']['confidence']:.0%} interval. Unmarked bounds say: at most.",
        style="dim",
    )
    print_sentences(console, record["verdict"])
    if record.get("advice"):
        console.print(f"\nAdvice for a safety gap within {record['max_safety_gap']['limit']:g} nats a response")
        for each in record["advice"]:
            console.print(f"• {each['about']}: {each['sentence']}", highlight=False, markup=False)
    print_written(console, folder, "estimate.json", "report.html")


def sources_table(record: Record) -> Table:
    """What was read, by role: a stand-in is named as one."""
    table = Table(title="Sources", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("role", "data", "origin", "rows", "sha256"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for role, source in record["sources"].items():
        name = source["name"] + (f" for {source['stand_in_for']}" if source.get("stand_in_for") else "")
        origin = "STAND-IN" if source.get("stand_in_for") else source["origin"]
        if source.get("limited_to"):
            origin += f", first {source['limited_to']}"
        rows = str(source["rows"]) + (f" of {source['sampled_from']}" if source.get("sampled_from") else "")
        table.add_row(role, name, origin, rows, source["sha256"][:12])
    return table


def _gaps(record: Record) -> Table:
    table = Table(title="Predicted gaps at the best trade-off", title_justify="left", box=box.SIMPLE_HEAD)
    exact = "exact" in record["loss_constraint"][0]
    headings = ["lambda", "safety gap", "proxy gap", "capability gap", "total"]
    for heading in headings + (["exact total"] if exact else []):
        table.add_column(heading, justify="right")
    for row in record["loss_constraint"]:
        cells = [
            marked(row["predicted"][name], interval=True)
            for name in ("safety_gap", "proxy_gap", "capability_gap", "total")
        ]
        if exact:
            cells.append(marked(row["exact"]["total"], interval=True))
        table.add_row(f"{row['penalty']:g}", *cells)
    return table


def _bounds(record: Record) -> Table:
    table = Table(
        title="Bounds (marked ~: estimates, of which Thm 1 and Thm 2 paper may lie below the truth)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    columns = {
        "lambda": None,
        "Thm 1 paper (safety)": lambda row: row["theorem1"]["paper"],
        "Thm 1 refined": lambda row: row["theorem1"]["refined"],
        "Thm 2 paper (capability)": lambda row: row["theorem2"]["paper"],
        "Thm 2 refined": lambda row: row["theorem2"]["refined"],
        "classifier (total)": lambda row: row["classifier_bound"],
        "certificate": lambda row: row["certificate"]["total"],
    }
    for heading in columns:
        table.add_column(heading, justify="right")
    for row in record["loss_constraint"]:
        cells = [marked(pick(row)) for pick in columns.values() if pick is not None]
        table.add_row(f"{row['penalty']:g}", *cells)
    return table
