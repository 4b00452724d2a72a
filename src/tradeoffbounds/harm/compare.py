"""Every category and every cell before and after, each family of p-values adjusted together.

Harm categories are one family; BBQ's dimensions x conditions x (accuracy, bias score) are another. All categories
together, and all dimensions together, are what an average would say: they stand beside the categories, in families of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeoffbounds.harm.bbq import CONDITIONS, Condition, Item
from tradeoffbounds.harm.bbq_score import ANSWERED, BIASED, CORRECT, NOT_UNKNOWN, WITH_TARGET, tally
from tradeoffbounds.harm.paired import Change, accuracy_change, adjusted, bias_change, harm_change
from tradeoffbounds.harm.rates import HARM_RATE, covered, grouped

if TYPE_CHECKING:
    from tradeoffbounds.harm.verdicts import Verdict

#: Accuracy and bias score of one cell, by name; None where there is no score to compare.
Cell = dict[str, Change | None]
MEASURES = ("accuracy", "bias")
_ALL = "all dimensions"


@dataclass(frozen=True)
class HarmChanges:
    """Categories that are covered and have a prompt parsed on both sides; ``overall`` None where there is none."""

    categories: dict[str, Change]
    overall: Change | None

    def to_json(self) -> dict[str, Any]:
        return {name: change.to_json() for name, change in self.categories.items()}


@dataclass(frozen=True)
class FairnessChanges:
    """By dimension and condition; ``overall`` by condition, all dimensions pooled."""

    dimensions: dict[str, dict[Condition, Cell]]
    overall: dict[Condition, Cell]

    def to_json(self) -> dict[str, Any]:
        return {name: cells_json(cells) for name, cells in self.dimensions.items()}


def cells_json(cells: Mapping[Condition, Cell]) -> dict[str, Any]:
    """The cells of one dimension, or of all of them pooled, JSON-ready."""
    return {
        condition: {measure: change and change.to_json() for measure, change in cell.items()}
        for condition, cell in cells.items()
    }


def compare_harm(
    before: Mapping[str, Verdict],
    after: Mapping[str, Verdict],
    categories: Mapping[str, str | None],
    *,
    covers: Callable[[str | None], bool],
    confidence: float,
    seed: int,
) -> HarmChanges:
    """Changes of the harmfulness rate, category by category and over all.

    Args:
        before, after: verdict on each prompt id; both must have all prompts of covered categories.
        categories, covers: as for :func:`~tradeoffbounds.harm.rates.harm_summary`.
    """
    harmful = {"harmful": True, "safe": False, "unparsed": None}
    groups = {name: prompts for name, prompts in grouped(categories).items() if covered(name, covers)}

    def change(prompts: Sequence[str], name: str, tests: int) -> Change | None:
        first, second = ([harmful[verdicts[prompt]] for prompt in prompts] for verdicts in (before, after))
        return harm_change(first, second, name=name, tests=tests, confidence=confidence, seed=seed)

    found = {name: change(prompts, f"{HARM_RATE}: {name}", len(groups)) for name, prompts in groups.items()}
    family = adjusted({name: each for name, each in found.items() if each is not None}, confidence)
    whole = change([prompt for prompts in groups.values() for prompt in prompts], HARM_RATE, 1)
    return HarmChanges(family, whole and adjusted({HARM_RATE: whole}, confidence)[HARM_RATE])


def compare_fairness(
    items: Sequence[Item],
    before: Sequence[int | None],
    after: Sequence[int | None],
    *,
    confidence: float,
    seed: int,
) -> FairnessChanges:
    """Changes of accuracy and bias score by dimension and condition, rows of one template staying together.

    Args:
        before, after: the option chosen for each item, None where the answer could not be read.
    """
    sides = [tally(items, answers) for answers in (before, after)]
    cells: dict[tuple[str, Condition], list[int]] = {}
    for row, item in enumerate(items):
        cells.setdefault((item.dimension, item.condition), []).append(row)
    pooled = {(_ALL, condition): rows for condition in CONDITIONS if (rows := _rows(cells, condition))}
    dimensions, overall = (_changes(items, sides, family, confidence, seed) for family in (cells, pooled))
    return FairnessChanges(dimensions, overall.get(_ALL, {}))


def _rows(cells: Mapping[tuple[str, Condition], Sequence[int]], condition: Condition) -> list[int]:
    return [row for (_, each), rows in cells.items() if each == condition for row in rows]


def _changes(
    items: Sequence[Item], sides: Sequence[np.ndarray], cells: Mapping[tuple[str, Condition], Sequence[int]],
    confidence: float, seed: int,
) -> dict[str, dict[Condition, Cell]]:  # fmt: skip
    """One family: accuracy and bias score of every cell, given by the rows of its items."""
    found: dict[tuple[str, Condition, str], Change | None] = {}
    for (dimension, condition), rows in cells.items():
        common: dict[str, Any] = {
            "name": f"{dimension}, {condition}", "tests": len(MEASURES) * len(cells), "confidence": confidence,
            "seed": seed,
        }  # fmt: skip
        aimed = [row for row in rows if items[row].target is not None]
        before, after = (_correct(side[rows]) for side in sides)
        found[dimension, condition, "accuracy"] = accuracy_change(before, after, _templates(items, rows), **common)
        lean_before, lean_after = (_leaning(side[aimed]) for side in sides)
        found[dimension, condition, "bias"] = bias_change(
            lean_before, lean_after, _templates(items, aimed), ambiguous=condition == "ambig", **common
        )
    family = adjusted({key: change for key, change in found.items() if change is not None}, confidence)
    nested: dict[str, dict[Condition, Cell]] = {}
    for dimension, condition, measure in found:
        cell = nested.setdefault(dimension, {}).setdefault(condition, {})
        cell[measure] = family.get((dimension, condition, measure))
    return nested


def _templates(items: Sequence[Item], rows: Sequence[int]) -> list[tuple[str, int]]:
    return [(items[row].dimension, items[row].index) for row in rows]


def _correct(table: np.ndarray) -> list[bool | None]:
    return [bool(row[CORRECT]) if row[ANSWERED] else None for row in table]


def _leaning(table: np.ndarray) -> list[int | None]:
    """Of answers to items with a target: +1 with the stereotype, -1 against it, 0 unknown."""
    return [int(2 * row[BIASED] - row[NOT_UNKNOWN]) if row[WITH_TARGET] else None for row in table]
