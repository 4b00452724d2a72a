"""Real fine-tunes beside their bounds on the terminal, from the record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from tradeoffbounds.report.quantities import marked, plain, shortened
from tradeoffbounds.report.tables import sources_table
from tradeoffbounds.report.terminal import print_sentences, print_written, wide_console
from tradeoffbounds.report.validate_reading import BOUNDS, WORDS, by_bound, quantity_text, trained_text, words_of

Record = dict[str, Any]

_NONE = "-"
_NAME_WIDTH = 16
_GAPS = ("safety_gap", "proxy_gap", "capability_gap", "total")
_NAMES = {
    "safety_gap": "safety gap",
    "capability_gap": "capability gap",
    "total": "total",
    "interference": "interference",
}
_SLACK = {
    "total": "delta+kappa",
    "information": "predicted least",
    "apart": "training apart",
    "sharing": "sharing",
    "sharing_predicted": "sharing predicted",
}


def print_validate(record: Record, folder: Path) -> None:
    """Sources, runs, bounds beside observations, slack, summary, the verdict, and where the files are."""
    console = wide_console()
    for table in validate_tables(record):
        console.print(table)
    console.print(
        "Gaps in nats per response, less is better. No mark: certified; m measured; ~ estimated; p predicted. "
        f"Brackets: {record['config']['confidence']:.0%} interval. Bound over observed gap: tight up to 2, loose up "
        "to 10, then far; vacuous: no better than known without data; violated?: within the sampling interval.",
        style="dim",
    )
    print_sentences(console, record["verdict"])
    print_written(console, folder, "validate.json", "report.html")


def validate_tables(record: Record) -> list[Table]:
    """Sources, and of what there is: runs, observed gaps, bounds on each gap, slack, preference, summaries."""
    runs = record["runs"]
    tables = [sources_table(record)]
    if not runs:
        return tables
    tables += [_runs(runs), _observed(runs)]
    tables += [_beside(runs, quantity, names) for quantity, names in _bounds_by_quantity(record).items()]
    tables += [build(runs) for build, part in ((_slack, "slack"), (_preference, "preference")) if _any(runs, part)]
    return [*tables, _summary(record), _ranks(record)]


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")  # a number that is cut short is another number
    return table


def _any(runs: Sequence[Record], part: str) -> bool:
    return any(run[part] is not None for run in runs)


def _or_none(quantity: Record | None, *, interval: bool = False) -> str:
    return _NONE if quantity is None else marked(quantity, interval=interval)


def _given(value: float | None) -> str:
    return _NONE if value is None else f"{value:g}"


def _numbered(runs: Sequence[Record]) -> list[tuple[str, Record]]:
    """Every table names a run by its place."""
    return [(str(place), run) for place, run in enumerate(runs, start=1)]


def _runs(runs: Sequence[Record]) -> Table:
    table = _table(
        "Runs (distance: how far the trained parameters moved, a norm)",
        "run", "id", "proxy", "capability", "method", "loss", "lambda", "radius", "seed", "steps", "distance",
    )  # fmt: skip
    for place, run in _numbered(runs):
        config = run["config"]
        table.add_row(
            place, run["id"][:6],
            _NONE if config["penalty"] is None else shortened(config["proxy"], _NAME_WIDTH),
            shortened(config["capability"], _NAME_WIDTH), trained_text(config), config["objective"],
            _given(config["penalty"]), _given(config["radius"]),
            str(config["seed"]), str(config["steps"]), _or_none(run["observed"]["distance"]),
        )  # fmt: skip
    return table


def _observed(runs: Sequence[Record]) -> Table:
    start = runs[0]["observed"]
    before = ", ".join(f"{_NAMES[gap]} {marked(start[f'{gap}_start'])}" for gap in ("safety_gap", "capability_gap"))
    table = _table(
        f"Observed gaps after the fine-tune (before run 1: {before})",
        "run", *(gap.replace("_", " ") for gap in _GAPS),
    )  # fmt: skip
    for place, run in _numbered(runs):
        table.add_row(place, *(_or_none(run["observed"][gap], interval=True) for gap in _GAPS))
    return table


def _bounds_by_quantity(record: Record) -> dict[str, list[str]]:
    """The bounds that any run has, by the gap that they bound."""
    found: dict[str, list[str]] = {}
    judged = by_bound(record)
    for quantity in _NAMES:
        names = [name for name in judged if BOUNDS[name].quantity == quantity]
        if names:
            found[quantity] = names
    return found


def _beside(runs: Sequence[Record], quantity: str, names: Sequence[str]) -> Table:
    """Observed, predicted, and every bound with the word on it; runs without any of the bounds left out."""
    headings = [BOUNDS[name].label.replace("Theorem", "Thm") for name in names]
    table = _table(f"Bounds on the {_NAMES[quantity]}", "run", "observed", "predicted", *headings)
    for place, run in _numbered(runs):
        if any(name in run["judged"] for name in names):
            table.add_row(
                place, marked(run["observed"][quantity]), _or_none(run["predicted"].get(quantity)),
                *(_bound(run, name) for name in names),
            )  # fmt: skip
    return table


def _bound(run: Record, name: str) -> str:
    if name not in run["judged"]:
        return _or_none(run["bounds"].get(name))
    judged = run["judged"][name]
    doubt = "?" if judged["word"] == "violated" and not judged["certain"] else ""
    return f"{marked(run['bounds'][name])} {judged['word']}{doubt}"


def _slack(runs: Sequence[Record]) -> Table:
    table = _table(
        "Observed total - predicted least total = delta+kappa = training apart + sharing",
        "run", "lambda", *_SLACK.values(),
    )  # fmt: skip
    for place, run in _numbered(runs):
        if run["slack"] is not None:
            parts = (_or_none(run["slack"][name]) for name in _SLACK)
            table.add_row(place, _given(run["config"]["penalty"]), *parts)
    return table


def _preference(runs: Sequence[Record]) -> Table:
    levels = next(run["preference"]["quantiles"] for run in runs if run["preference"] is not None)
    table = _table(
        "Preference runs: log(aligned / trained) on safety responses, nats",
        "run", "beta", "mean", *(f"{float(level):.0%} below" for level in levels), "largest",
    )  # fmt: skip
    for place, run in _numbered(runs):
        if (found := run["preference"]) is not None:
            quantiles = (marked(found["quantiles"][level]) for level in levels)
            table.add_row(
                place, f"{found['beta']:g}", marked(found["expectation"], interval=True), *quantiles,
                marked(found["supremum"]),
            )  # fmt: skip
    return table


def _summary(record: Record) -> Table:
    table = _table(
        "How the bounds did (in doubt: within the sampling interval; median: bound / observed)",
        "bound", "runs", "hold", *WORDS, "in doubt", "median",
    )  # fmt: skip
    for name, found in by_bound(record).items():
        words = words_of(found)
        doubt = sum(each.word == "violated" and not each.certain for each in found)
        median = record["summary"]["tightness"].get(name, {}).get("median")
        table.add_row(
            BOUNDS[name].label, str(len(found)), str(len(found) - words["violated"]),
            *(str(words[word]) for word in WORDS), str(doubt), _NONE if median is None else plain(median, 2),
        )  # fmt: skip
    table.columns[0].justify = "left"
    return table


def _ranks(record: Record) -> Table:
    table = _table("Do predictions rank the runs?", "gap", "rank correlation", "runs")
    for quantity, found in record["summary"]["rank_correlation"].items():
        if found["runs"]:
            rank = "none" if found["spearman"] is None else marked(found["spearman"], interval=True)
            table.add_row(quantity_text(quantity), rank, str(found["runs"]))
    table.columns[0].justify = "left"
    return table
