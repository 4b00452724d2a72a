"""The study on the terminal: every choice's effect on every outcome, and the fronts, from the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from tradeoffbounds.report.audit_reading import p_text
from tradeoffbounds.report.quantities import plain
from tradeoffbounds.report.study_reading import (
    OUTCOMES,
    Cell,
    cells,
    factor_text,
    level_text,
    setting_text,
    share_text,
)
from tradeoffbounds.report.terminal import print_sentences, print_written, wide_console

Record = dict[str, Any]


def print_study(record: Record, folder: Path) -> None:
    """Effects, fronts, the verdict, and where the files are."""
    console = wide_console()
    for table in (_effects(record), *(_front(record, front) for front in record["fronts"])):
        console.print(table)
    level = 1 - record["config"]["confidence"]
    console.print(
        "Means over blocks of runs alike in all else; brackets: least and largest. share: of the variance between "
        f"runs. adj. p: permutation within blocks, for the false discovery rate over the table; * at most {level:.2g}; "
        "least: the smallest p that so many blocks can give.",
        style="dim",
    )
    print_sentences(console, record["verdict"])
    print_written(console, folder, "study.json", "report.html")


def _effects(record: Record) -> Table:
    table = Table(title="What each choice did", box=box.SIMPLE, title_justify="left")
    for name in ("outcome", "choice", "mean by level", "share", "adj. p (least)"):
        table.add_column(name, justify="left" if name in ("outcome", "choice", "mean by level") else "right")
    last = None
    for cell in cells(record):
        outcome = OUTCOMES[cell.outcome]
        shown = f"{outcome.label}\n({outcome.better})" if cell.outcome != last else ""
        last = cell.outcome
        table.add_row(shown, factor_text(cell.factor), _levels(cell), share_text(cell.effect), _p(cell.effect))
    return table


def _levels(cell: Cell) -> str:
    return "\n".join(
        f"{level_text(cell.factor, level)}: {plain(each['mean'], 2)} [{plain(each['least'], 2)}, "
        f"{plain(each['largest'], 2)}]"
        for level, each in cell.effect["levels"].items()
    ) or "no complete block"  # fmt: skip


def _p(effect: Record) -> str:
    if effect["p_adjusted"] is None:
        return "n/a"
    star = "*" if effect["significant"] else ""
    return f"{p_text(effect['p_adjusted'])}{star} ({p_text(effect['least_p'])})"


def _front(record: Record, front: Record) -> Table:
    table = Table(
        title=f"{front['model']} on {front['capability']}: beaten by no other in all three (lower is better)",
        box=box.SIMPLE, title_justify="left",
    )  # fmt: skip
    for name in ("fine-tune", "harmful", "BBQ errors", "capability loss", "on the front", "in resamples"):
        table.add_column(name, justify="left" if name == "fine-tune" else "right")
    for run in sorted(front["runs"], key=lambda each: -each["resamples_on_front"]):
        costs = ("n/a" if run[name] is None else plain(run[name]) for name in
                 ("harmfulness", "bbq_errors", "capability_loss"))  # fmt: skip
        share = f"{100 * run['resamples_on_front']:.0f}%"
        table.add_row(setting_text(record, run["run"]), *costs, "yes" if run["on_front"] else "-", share)
    return table
