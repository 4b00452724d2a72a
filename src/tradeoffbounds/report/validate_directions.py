"""Whether the gaps of real fine-tunes move as the theory says when a constraint grows, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from tradeoffbounds.report.quantities import plain
from tradeoffbounds.report.validate_reading import (
    Along,
    Step,
    counted,
    entry,
    method_text,
    quantity_text,
    steps,
    sweeps,
)

Record = dict[str, Any]

#: At most so many steps against the theory are told one by one.
_TOLD = 4
#: What the theory says of each gap as a constraint grows, and the words for it.
_DIRECTIONS: tuple[tuple[Along, str, Literal[1, -1], str], ...] = (
    ("penalty", "safety_gap", -1, "falls as the penalty rises"),
    ("penalty", "capability_gap", 1, "rises with the penalty"),
    ("radius", "safety_gap", 1, "grows with the radius"),
    ("radius", "capability_gap", -1, "falls as the radius grows"),
)
_WITHOUT = {"penalty": "no penalty counts as lambda 0", "radius": "no ball counts as the largest"}


def directions(runs: Sequence[Record]) -> list[str]:
    """One sentence for each constraint and gap of which there are runs to compare."""
    said = []
    for along, quantity, direction, words in _DIRECTIONS:
        found = [step for sweep in sweeps(runs, along) for step in steps(sweep, quantity)]
        if found:
            said.append(_direction(found, quantity, direction, words))
    return said or ["No two runs differ in their constraint alone, so nothing can be said of which way the gaps move."]


def _direction(found: Sequence[Step], quantity: str, direction: int, words: str) -> str:
    agree = [step for step in found if step.direction == direction]
    against = [step for step in found if step.direction == -direction]
    along = found[0].sweep.along
    where = f"at {len(agree)} of {counted(len(found), 'step')}"
    if any(_missing(along, value) for step in found for value in step.values):
        where += f" ({_WITHOUT[along]})"
    clear = sum(step.apart for step in agree)
    text = (
        f"That the {quantity_text(quantity)} {words}, as the theory expects, is seen {where}, {clear} of them beyond "
    )
    text += "the sampling intervals"
    if same := len(found) - len(agree) - len(against):
        text += f"; at {same} it does not move"
    if not against:
        return f"{text}."
    told = sorted(against, key=lambda step: (not step.apart, -abs(step.gaps[1] - step.gaps[0])))[:_TOLD]
    more = f"; and at {len(against) - len(told)} more" if len(against) > len(told) else ""
    return f"{text}; against it: {'; '.join(map(_step, told))}{more}."


def _step(step: Step) -> str:
    setting, along = step.sweep.setting, step.sweep.along
    data = (entry(part, setting[part]) for part in ("proxy", "capability") if part in setting)
    parts = [" -> ".join(data), method_text(setting)]
    other = "radius" if along == "penalty" else "penalty"
    if setting[other] is not None:
        parts.append(_plain_entry(other, setting[other]))
    first, last = (
        step.sweep.without_name if _missing(along, value) else _plain_entry(along, value) for value in step.values
    )
    return (
        f"{', '.join(parts)}: from {plain(step.gaps[0])} ({first}) to {plain(step.gaps[1])} ({last}), "
        f"{'beyond' if step.apart else 'within'} the sampling intervals"
    )


def _missing(along: Along, value: float) -> bool:
    """Whether the value stands for runs without the constraint."""
    return value == 0 if along == "penalty" else math.isinf(value)


def _plain_entry(key: str, value: float) -> str:
    """As in figures, for terminals without Greek letters."""
    return entry(key, value).replace("λ =", "lambda")
