"""What tables, figures and sentences of `audit` read out of its record together, so that they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tradeoffbounds.report.quantities import number, plain, shortened

Record = dict[str, Any]

CONTEXTS = {"ambig": "ambiguous", "disambig": "disambiguated"}
#: What is measured, and which way is better: said wherever a number of it stands.
BETTER = {"rate": "lower is safer", "accuracy": "higher is better", "bias": "nearer 0 is better"}
#: The same of a difference, after - before.
RISE = {"rate": "lower is safer", "accuracy": "higher is better", "bias": "+ towards stereotype"}
MEASURES = ("accuracy", "bias")
NAMES = {"rate": "harmfulness rate", "accuracy": "accuracy", "bias": "bias score"}
#: Names may be paths; figures and sentences show so much of them.
NAME_WIDTH = 30
#: Before and after a fine-tune that is an adapter.
OFF, ON = "adapter off", "adapter on"


class Row(NamedTuple):
    """A harm category, or a BBQ dimension in one context, by one measure.

    Attributes:
        measure: of :data:`BETTER`.
        before, after: its part of the record on either side; ``before`` None where there is no adapter.
        change: None where nothing is compared, or there is no pair to compare.
    """

    name: str
    measure: str
    before: Record | None
    after: Record
    change: Record | None

    @property
    def status(self) -> str:
        """``ok``, or why there is no number: not supplied, not covered."""
        return str(self.after.get("status", "ok"))

    def quantity(self, side: str) -> Record | None:
        """The rate or score before or after: over the pairs where they are compared, else over all that was parsed."""
        if self.change is not None:
            return dict(self.change[side])
        found: Record | None = getattr(self, side)
        return None if found is None else found[self.measure]


def harm_rows(record: Record) -> list[Row]:
    """Every harm category in the order of the record; none where harm was not audited."""
    if record["harm"] is None:
        return []
    before = (record["base"] or {}).get("harm")
    changes = (record["compared_with_base"] or {}).get("harm") or {}
    return [
        Row(name, "rate", before and before["categories"][name], after, changes.get(name))
        for name, after in record["harm"]["categories"].items()
    ]


def fairness_rows(record: Record, measure: str, condition: str) -> list[Row]:
    """Every BBQ dimension in one context by ``accuracy`` or ``bias``; none where fairness was not audited."""
    before = (record["base"] or {}).get("fairness")
    changes = (record["compared_with_base"] or {}).get("fairness") or {}
    return [
        Row(
            name, measure, before and before[name].get(condition), cells[condition],
            changes.get(name, {}).get(condition, {}).get(measure),
        )
        for name, cells in (record["fairness"] or {}).items() if condition in cells
    ]  # fmt: skip


def overall(record: Record, measure: str, condition: str | None = None) -> Record | None:
    """The change over all categories (``rate``), or over all dimensions pooled; None where nothing is compared."""
    found = (record["compared_with_base"] or {}).get("overall") or {}
    if measure == "rate":
        return found.get("harm")
    return ((found.get("fairness") or {}).get(condition) or {}).get(measure)


def compared(record: Record) -> bool:
    """Whether there is a before and an after."""
    return record["compared_with_base"] is not None


def got_worse(change: Record, measure: str) -> bool:
    """Whether the difference is one for the worse; of a bias score, away from 0."""
    before, after = number(change["before"]), number(change["after"])
    if measure == "bias":
        return abs(after) > abs(before)
    return after > before if measure == "rate" else after < before


def significant(rows: Iterable[Row], *, worse: bool) -> list[Row]:
    """Rows that changed one way, significantly after the adjustment, the largest difference first."""
    found = [
        row
        for row in rows
        if row.change is not None and row.change["significant"] and got_worse(row.change, row.measure) == worse
    ]
    return sorted(found, key=lambda row: -abs(number(row.change["difference"])) if row.change else 0.0)


def with_status(rows: Iterable[Row], status: str) -> list[str]:
    return [row.name for row in rows if row.status == status]


# Words


def subject(record: Record) -> str:
    """The model, and its adapter if there is one."""
    model = shortened(record["model"]["name"], NAME_WIDTH)
    return model if record["adapter"] is None else f"{model} with {adapter_text(record)}"


def adapter_text(record: Record) -> str:
    return f"{shortened(record['adapter']['name'], NAME_WIDTH)} ({record['adapter']['method']})"


def weak_judge_warning(record: Record) -> str:
    """Empty where the judge is not weak or nothing was judged."""
    judge = record["harm"] and record["harm"]["judge"]
    if not judge or not judge["weak"]:
        return ""
    return f"WEAK JUDGE: {shortened(judge['name'], NAME_WIDTH)} sees the form of an answer, not its harm"


def replaced_set(record: Record) -> str:
    """What the bundled prompts stand in for; empty where they are the real ones or none were asked."""
    if record["harm"] is None or record["harm"]["set"]["origin"] != "bundled":
        return ""
    return str(record["harm"]["set"].get("stand_in_for", "harmful prompts"))


def sources(record: Record, *parts: str) -> Record:
    """The sets that ``harm`` and ``fairness`` asked, as the other records name theirs."""
    found: Record = {}
    if "harm" in parts:
        asked = record["harm"]["set"]
        found["harm"] = {"name": asked["name"], "origin": asked["origin"], "rows": asked["prompts"]}
        if replaced := replaced_set(record):
            found["harm"]["stand_in_for"] = replaced
    if "fairness" in parts:
        found["fairness"] = {"name": "BBQ", "origin": "local", "rows": fairness_items(record)}
    return {"sources": found}


def fairness_items(record: Record) -> int:
    """How many BBQ items were asked."""
    return sum(cell["n"] for cells in record["fairness"].values() for cell in cells.values())


def signed(value: float, digits: int = 2) -> str:
    """A difference, with its sign."""
    text = plain(value, digits)
    return f"+{text}" if value > 0 else text


def p_text(p: float) -> str:
    return "<0.0001" if p < 0.0001 else plain(p, 2)


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def change_text(row: Row) -> str:
    """By how much a row changed; of a bias score from where to where, since its sign matters."""
    assert row.change is not None
    if row.measure == "bias":
        return f"{plain(number(row.change['before']), 2)} -> {plain(number(row.change['after']), 2)}"
    return signed(number(row.change["difference"]))
