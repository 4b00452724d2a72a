"""report.html of `estimate`: the verdict, Case I along λ, Case II along ε, and every number behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tradeoffbounds.config import EstimateConfig
from tradeoffbounds.page.case_two_part import case_two_section
from tradeoffbounds.page.cells import Cell, Notes
from tradeoffbounds.page.common import data_section, repeat_section, stand_in_warnings, words_section
from tradeoffbounds.page.estimate_charts import frontier_chart, gap_chart
from tradeoffbounds.page.meanings import GAP_NAMES
from tradeoffbounds.page.parts import Card, Choice, Column, Explorer, Folded, Line, Page, Section, Table
from tradeoffbounds.report.figure_style import same_source
from tradeoffbounds.report.penalty_grid import grid_rows
from tradeoffbounds.report.quantities import plain
from tradeoffbounds.report.record import reference

Record = dict[str, Any]
Pick = Callable[[Record], Record]

_QUESTIONS = {
    "safety_gap": "How far from the original alignment data?",
    "proxy_gap": "How far from the proxy safety data?",
    "capability_gap": "How far from the fine-tuning data?",
    "total": "G_f + λ Ĝ_s: both losses together",
}
#: Bounds of a gap beside its bracket: label, meaning, place in a row.
_BOUNDS: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "safety_gap": [
        ("Theorem 1, paper", "theorem1.paper", ("theorem1", "paper")),
        ("Theorem 1, refined", "theorem1.refined", ("theorem1", "refined")),
    ],
    "proxy_gap": [],
    "capability_gap": [
        ("Theorem 2, paper", "theorem2.paper", ("theorem2", "paper")),
        ("Theorem 2, refined", "theorem2.refined", ("theorem2", "refined")),
    ],
    "total": [("Classifier bound", "classifier_bound", ("classifier_bound",))],
}


def estimate_page(record: Record, notes: Notes) -> Page:
    """What the record says; Case I is left out where the record has none of it."""
    has_case_one = "loss_constraint" in record
    # What was asked for comes before what it rests on.
    sections = [_advice(record, notes)] if record.get("advice") else []
    if has_case_one:
        sections.append(_penalty_section(record, notes))
    sections.append(case_two_section(record, notes))
    if has_case_one:
        sections.append(_overlap(record, notes))
    sections += [
        data_section(record["sources"], notes),
        repeat_section(record, "estimate", EstimateConfig),
        words_section(record),
    ]
    about = [(role.capitalize(), str(source["name"])) for role, source in record["sources"].items()]
    return Page(
        "What this fine-tune may cost",
        "Bounds and predictions before any training: how much safety a fine-tune may lose, and how much capability it "
        "can gain.",
        [*about, ("Model", str(record["config"]["model"]))],
        stand_in_warnings(record["sources"]),
        record["verdict"],
        sections,
    )


def slider_rows(record: Record) -> list[Record]:
    """The rows that the slider moves over, λ rising: those asked for, and the record's grid where it has one."""
    rows = {row["penalty"]: row for row in record["loss_constraint"]}
    if "loss_constraint_grid" in record:
        rows = {row["penalty"]: row for row in grid_rows(record["loss_constraint_grid"])} | rows
    return [rows[penalty] for penalty in sorted(rows)]


def _penalty_section(record: Record, notes: Notes) -> Section:
    rows, same = slider_rows(record), same_source(record)
    asked = {row["penalty"] for row in record["loss_constraint"]}
    gaps = [gap for gap in GAP_NAMES if gap in _QUESTIONS and not (same and gap == "proxy_gap")]
    choice = Choice(
        "",
        [f"{row['penalty']:.12g}" for row in rows],
        [at for at, row in enumerate(rows) if row["penalty"] in asked],
        next(at for at, row in enumerate(rows) if row["penalty"] == reference(record)["penalty"]),
        [_card(record, rows, gap, same, notes) for gap in gaps],
        frontier_chart(record, rows, same),
    )
    level = f"{record['config']['confidence']:.0%}"
    intro = (
        "The loss on proxy safety data is added with weight λ. Move λ: every number below is the one that the command "
        f"gives with that --penalty, in nats per response; less is better. Intervals are at {level} unless their note "
        "says otherwise."
    )
    return Section(
        "Case I: a penalty λ on safety data",
        [Explorer("penalty", "λ", "Penalty λ", [choice]), _terms(record, notes), *_pilot(record, notes)],
        intro,
    )


def _card(record: Record, rows: Sequence[Record], gap: str, same: bool, notes: Notes) -> Card:
    picks: list[tuple[str, str, tuple[str, ...]]] = [
        ("From likelihoods", f"exact.{gap}", ("exact", gap)),
        ("Best guess", f"predicted.{gap}", ("predicted", gap)),
        ("Bracket, lower end", f"lower.{gap}", ("bracket", gap, "lower")),
        ("Bracket, upper end", f"upper.{gap}", ("bracket", gap, "upper")),
        *_BOUNDS[gap],
        ("Certificate", f"certificate.{gap}", ("certificate", gap)),
    ]
    lines = [
        Line(label, [notes.cell(meaning, _found(row, place)) for row in rows])
        for label, meaning, place in picks
        if _found(rows[0], place) is not None
    ]
    if gap == "safety_gap" and not same:
        why = notes.place(
            "Samples cannot bound from above how far the proxy's answers are from the alignment data's, so nothing is "
            "certified about the safety gap of another source."
        )
        lines.append(Line("Certificate", [Cell("none possible", note=why)] * len(rows)))
    title = "Safety gap = proxy gap" if same and gap == "safety_gap" else GAP_NAMES[gap]
    return Card(title, _QUESTIONS[gap], lines, gap_chart(record, rows, gap))


def _found(row: Record, place: Sequence[str]) -> Record | None:
    """A quantity of a row by its place; None where the row has none."""
    found: Any = row
    for name in place:
        found = found.get(name)
        if found is None:
            return None
    return dict(found)


def _terms(record: Record, notes: Notes) -> Folded:
    """What Theorem 1 is made of at the penalties asked for."""
    rows = record["loss_constraint"]
    names = {
        "proxy_gap": "Proxy gap", "prompt_shift": "Shift of prompts", "response_kl": "KL of answers",
        "response_shift": "Shift of answers", "refined_response_kl": "Refined: answers",
        "refined_prompt_cost": "Refined: prompts",
    }  # fmt: skip
    present = {name: label for name, label in names.items() if name in rows[0]["theorem1"]["terms"]}
    columns = [Column("λ"), *(Column(label) for label in present.values())]
    cells = [
        [
            Cell(f"{row['penalty']:.12g}", order=row["penalty"]),
            *(notes.cell("theorem1.term", row["theorem1"]["terms"][name]) for name in present),
        ]
        for row in rows
    ]
    return Folded(
        "What Theorem 1 is made of",
        [Table("Terms of Theorem 1 at the penalties asked for", columns, cells, "In nats per response.")],
    )


def _pilot(record: Record, notes: Notes) -> list[Folded]:
    pilot = record.get("pilot")
    if not pilot:
        return []
    rows = [[Cell("KL(μ|μ̂)", order="KL"), Cell("any", order=0.0), notes.cell("pilot", pilot["response_kl"])]]
    rows += [
        [Cell("Theorem 1, refined, with it", order="Theorem"), Cell(f"{each['penalty']:.12g}", order=each["penalty"]),
         notes.cell("pilot.refined", each["bound"])]
        for each in pilot["theorem1_refined"]
    ]  # fmt: skip
    columns = [Column("Quantity", numeric=False), Column("λ"), Column("Value")]
    return [
        Folded("Pilot: how differently the proxy answers, by two short fine-tunes", [Table("Pilot", columns, rows)])
    ]


def _overlap(record: Record, notes: Notes) -> Section:
    rows = [
        [Cell(_NAMES.get(name, name.replace("_", " ")), order=name), notes.cell("overlap", quantity), _unit(quantity)]
        for name, quantity in record["overlap"].items()
    ]
    columns = [Column("Quantity", numeric=False), Column("Value"), Column("Unit", numeric=False)]
    curve = record["learning_curve"]
    learning = [
        [Cell(f"{rows:,}", order=float(rows)), Cell(plain(low), kind="estimated", order=low)]
        for rows, low in zip(curve["rows"], curve["lower"], strict=True)
    ]
    flat = (
        "It is flat: more rows would hardly move it." if curve["flat"] else "It still moves: more rows would change it."
    )
    table = Table(
        "Learning curve of the pair classifier",
        [Column("Rows"), Column("Lower end of the total at λ = 1")],
        learning,
        flat,
    )
    return Section("How alike the sources are", [Table("Overlap of the sources", columns, rows), table])


_NAMES = {
    "tv_prompts_capability_proxy": "Total variation of prompts, capability and proxy",
    "tv_prompts_capability_proxy_lower": "the same, lower bound",
    "overlap_mass": "Overlap of prompts, capability and proxy",
    "prompt_entropy": "H(Z|X) at λ = 1: what prompts leave open about the source",
    "pair_entropy": "H(Z|X,Y) at λ = 1: what prompts with responses leave open",
    "tv_prompts": "Total variation of prompts, alignment and proxy",
    "tv_prompts_lower": "the same of alignment and proxy, lower bound",
    "kl_prompts_lower": "KL(D|D̂) of prompts, lower bound",
    "kl_pairs_lower": "KL(Dμ|D̂μ̂) of prompts with responses, lower bound",
}


def _unit(quantity: Record) -> Cell:
    return Cell(quantity["unit"], order=quantity["unit"])


def _advice(record: Record, notes: Notes) -> Section:
    limit = record["max_safety_gap"]["limit"]
    rows = []
    for each in record["advice"]:
        rests = ", ".join(dict.fromkeys(quantity["kind"] for quantity in each["rests_on"])) or "nothing"
        rows.append([Cell(each["about"], order=each["about"]), Cell(each["sentence"]), Cell(rests, order=rests)])
    columns = [
        Column("About", numeric=False),
        Column("Advice", numeric=False),
        Column("Rests on numbers that are", numeric=False),
    ]
    return Section("Advice", [Table(f"Advice for a safety gap within {limit:g} nats per response", columns, rows)])
