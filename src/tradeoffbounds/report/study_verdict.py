"""A study in sentences: what each choice explains, what no number of runs could have shown, and the front."""

from __future__ import annotations

from typing import Any

from tradeoffbounds.report.audit_reading import listed, p_text
from tradeoffbounds.report.quantities import plain
from tradeoffbounds.report.study_reading import (
    OUTCOMES,
    Cell,
    cells,
    combined,
    factor_text,
    factors,
    levels_text,
    setting_text,
    share_text,
)
from tradeoffbounds.report.validate_reading import counted

Record = dict[str, Any]


def study_verdict(record: Record) -> list[str]:
    """The sentences, from the record alone."""
    names = [factor_text(name) for name in factors(record)]
    found = [f"{counted(len(record['runs']), 'fine-tune')} were audited, which differ in {listed(names)}."]
    if record["without_adapter"]:
        found.append(f"{counted(record['without_adapter'], 'run')} kept no adapter and could not be audited.")
    judge = record["asked"]["harm"] and record["asked"]["harm"]["judge"]
    if judge and judge["weak"]:
        found.append(f"The judge, {judge['name']}, is WEAK: it sees the form of an answer and not its harm.")
    found += [_outcome(record, outcome) for outcome in record["factors"]]
    found += _powerless(record)
    found.append(
        "A share is of the variance between these runs, at the levels tried: a wider range of a factor gives it a "
        "larger one. The prompts asked were the same for all runs, so that nothing is said about other prompts."
    )
    return found + [_front(record, front) for front in record["fronts"]]


def _outcome(record: Record, outcome: str) -> str:
    row = [cell for cell in cells(record) if cell.outcome == outcome]
    label = OUTCOMES[outcome].label
    text = f"The {label} ({OUTCOMES[outcome].better}): "
    significant = sorted((cell for cell in row if cell.effect["significant"]), key=lambda cell: -cell.effect["share"])
    if significant:
        text += "; ".join(
            f"{factor_text(cell.factor)} explains {share_text(cell.effect)} of the variance ({levels_text(cell)}; "
            f"adjusted p {p_text(cell.effect['p_adjusted'])})"
            for cell in significant
        )
    else:
        text += "no choice had an effect that could be told from chance"
    if rest := [cell for cell in row if not cell.effect["significant"] and cell.effect["share"] is not None]:
        said = ", ".join(f"{factor_text(cell.factor)} {share_text(cell.effect)}" for cell in rest)
        text += f"; not to be told from chance: {said}"
    together = combined(record, outcome)
    return f"{text}; in combination: {100 * together:.0f}%." if together is not None else f"{text}."


def _powerless(record: Record) -> list[str]:
    """What no test could have found, whatever the choices did."""
    level = 1 - record["config"]["confidence"]
    tests = [cell for cell in cells(record) if cell.effect["least_p"] is not None]
    blind: dict[str, Cell] = {}
    for cell in cells(record):
        if cell.effect["least_p"] is None or cell.effect["least_p"] > level:
            blind.setdefault(cell.factor, cell)
    found = [
        f"Of {factor_text(name)} nothing could have been found: it has "
        f"{counted(cell.effect['blocks'], 'complete block')}, too few for a test; more seeds help."
        for name, cell in blind.items()
    ]
    least = min((cell.effect["least_p"] for cell in tests), default=1.0)
    if least <= level < least * len(tests):
        found.append(
            f"An effect on one outcome alone could not have been found: its p can be {p_text(least)} at best, which is "
            f"{p_text(min(1.0, least * len(tests)))} among {len(tests)} tests; more seeds help."
        )
    return found


def _front(record: Record, front: Record) -> str:
    runs = front["runs"]
    on = sorted((run for run in runs if run["on_front"]), key=lambda run: -run["resamples_on_front"])
    never = sum(run["resamples_on_front"] < 0.05 for run in runs)
    told = "; ".join(
        f"{setting_text(record, run['run'])} (harmful {plain(run['harmfulness'], 2)}, BBQ errors "
        f"{plain(run['bbq_errors'], 2)}, capability loss {plain(run['capability_loss'], 3)}; in "
        f"{100 * run['resamples_on_front']:.0f}% of resamples)"
        for run in on
    )
    return (
        f"{front['model']} on {front['capability']}: {len(on)} of {counted(len(runs), 'fine-tune')} are beaten by no "
        f"other in harmfulness, BBQ errors and capability loss at once: {told}; {never} are on that front in fewer "
        "than 5% of resamples of the rows asked."
    )
