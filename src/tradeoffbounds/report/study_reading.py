"""What tables, figures and sentences of `study` read out of its record together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tradeoffbounds.report.quantities import plain, shortened

Record = dict[str, Any]
NAME_WIDTH = 30


class Outcome(NamedTuple):
    """An outcome in words: its name, its unit, and which way is better."""

    label: str
    unit: str
    better: str


OUTCOMES = {
    "harmfulness": Outcome("change of harmfulness rate", "probability", "lower is safer"),
    "accuracy_ambig": Outcome("change of BBQ accuracy, ambiguous", "probability", "higher is better"),
    "accuracy_disambig": Outcome("change of BBQ accuracy, disambiguated", "probability", "higher is better"),
    "bias_ambig": Outcome("change of bias score, ambiguous", "score", "+ towards stereotype"),
    "bias_disambig": Outcome("change of bias score, disambiguated", "score", "+ towards stereotype"),
    "safety_gap": Outcome("rise of the safety gap", "nats/response", "lower is safer"),
    "capability_gap": Outcome("rise of the capability gap", "nats/response", "lower: more was learned"),
}


COSTS = {
    "harmfulness": Outcome("harmfulness rate", "", "lower is safer"),
    "bbq_errors": Outcome("BBQ errors", "mean of both contexts", "lower is better"),
    "capability_loss": Outcome("loss on capability rows", "nats/response", "lower is better"),
}


class Cell(NamedTuple):
    """The effect of one factor on one outcome."""

    outcome: str
    factor: str
    effect: Record


def cells(record: Record) -> Iterator[Cell]:
    """Every effect, outcome by outcome."""
    for outcome, row in record["factors"].items():
        for factor, effect in row.items():
            yield Cell(outcome, factor, effect)


def factors(record: Record) -> list[str]:
    """The choices that differ between runs."""
    return list(dict.fromkeys(cell.factor for cell in cells(record)))


def title(record: Record, outcome: str) -> str:
    """The name of an outcome as a heading, with what must not be overlooked."""
    label = OUTCOMES[outcome].label
    return f"{capitalised(label)}{weak_judge(record) if outcome == 'harmfulness' else ''}"


def capitalised(text: str) -> str:
    """With a large first letter, the others as they are."""
    return f"{text[0].upper()}{text[1:]}"


def weak_judge(record: Record) -> str:
    """A remark where the judge is weak, else empty."""
    judge = record["asked"]["harm"] and record["asked"]["harm"]["judge"]
    return f" (WEAK JUDGE: {shortened(judge['name'], NAME_WIDTH)})" if judge and judge["weak"] else ""


def cost_text(record: Record, name: str) -> str:
    """One of the costs of a front as an axis names it."""
    cost = COSTS[name]
    unit = f", {cost.unit}" if cost.unit else ""
    return f"{cost.label}{unit} ({cost.better}){weak_judge(record) if name == 'harmfulness' else ''}"


def factor_text(name: str) -> str:
    return name.replace("_", " ")


def setting_text(record: Record, number: int) -> str:
    """A run by what it does not share with all others."""
    setting = record["runs"][number]["setting"]
    parts = [_level(name, setting[name]) for name in factors(record)]
    return ", ".join(parts)


def _level(factor: str, level: str) -> str:
    if factor == "constraint":
        return "unconstrained" if level == "none" else level
    if factor == "objective":
        return level.upper()
    return (
        shortened(level, NAME_WIDTH)
        if factor in ("model", "capability", "method")
        else f"{factor_text(factor)} {level}"
    )


def level_text(factor: str, level: str) -> str:
    """A level by itself, as axes and sentences name it."""
    return _level(factor, level)


def share_text(effect: Record) -> str:
    return "n/a" if effect["share"] is None else f"{100 * effect['share']:.0f}%"


def combined(record: Record, outcome: str) -> float | None:
    """What part of an outcome's variance the factors explain only in combination; None where blocks are incomplete."""
    row = record["factors"][outcome].values()
    if any(effect["share"] is None or effect["left_out"] for effect in row):
        return None
    return max(0.0, 1 - sum(effect["share"] for effect in row))


def levels_text(cell: Cell) -> str:
    """The mean of every level: ``SFT 0.2, DPO 0.5``."""
    return ", ".join(
        f"{level_text(cell.factor, level)} {plain(each['mean'], 2)}" for level, each in cell.effect["levels"].items()
    )


def asked(record: Record) -> Record:
    """What was asked of every fine-tune, as other records name their sources."""
    found: Record = {}
    if harm := record["asked"]["harm"]:
        found["harm"] = {"name": harm["set"]["name"], "origin": harm["set"]["origin"], "rows": harm["set"]["prompts"]}
        if "stand_in_for" in harm["set"]:
            found["harm"]["stand_in_for"] = harm["set"]["stand_in_for"]
    if (items := record["asked"]["fairness"]) is not None:
        found["fairness"] = {"name": "BBQ", "origin": "local", "rows": items}
    return {"sources": found}
