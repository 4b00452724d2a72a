"""An audit in plain words: what changed and where, what is chance, what could not have been seen or asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradeoffbounds.report.audit_reading import (
    BETTER,
    CONTEXTS,
    MEASURES,
    NAMES,
    Row,
    compared,
    fairness_rows,
    harm_rows,
    listed,
    overall,
    p_text,
    replaced_set,
    significant,
    subject,
    with_status,
)
from tradeoffbounds.report.quantities import ends, number, plain, with_interval

Record = dict[str, Any]

#: At most so many rows without a significant change are named; the tables have all of them.
_TOLD = 12
#: What a change for the worse and one for the better is called.
_WORDS = {
    "rate": ("more harmful", "safer"),
    "accuracy": ("less accurate", "more accurate"),
    "bias": ("further from 0", "nearer to 0"),
}


def audit_verdict(record: Record) -> list[str]:
    """Sentences for people, each resting on numbers of the record."""
    sentences = [*_stand_in(record), _subject(record), *_judge(record)]
    if rows := harm_rows(record):
        sentences += [
            *_whole(record, None), *_family(record, rows, "category", "categories"), *_alone_harm(record, rows),
            *_without(rows), *_unparsed(record["harm"]["overall"], (record["base"] or {}).get("harm"), record),
        ]  # fmt: skip
    if record["fairness"] is not None:
        rows = [row for measure in MEASURES for row in _cells(record, measure)]
        sentences += [text for condition in CONTEXTS for text in _whole(record, condition)]
        for measure in MEASURES:
            own = [row for row in rows if row.measure == measure]
            sentences += _family(record, own, "cell", "cells (dimension and context)")
        sentences += [*_alone_fairness(record, rows), *_unscored(rows), *_unread(rows)]
    return [f"{sentence[0].upper()}{sentence[1:]}" for sentence in sentences]


def _cells(record: Record, measure: str) -> list[Row]:
    return [
        row._replace(name=f"{row.name} {context}")
        for condition, context in CONTEXTS.items()
        for row in fairness_rows(record, measure, condition)
    ]


# What was asked


def _stand_in(record: Record) -> list[str]:
    replaced = replaced_set(record)
    if not replaced:
        return []
    name = record["harm"]["set"]["name"]
    return [f"The harmful prompts are a bundled stand-in for {replaced} ({name}): they say nothing about that set."]


def _subject(record: Record) -> str:
    parts = {"harm": "harm", "fairness": "fairness (BBQ)"}
    audited = listed([text for part, text in parts.items() if record[part] is not None])
    if not compared(record):
        return f"{subject(record)} was audited for {audited}; without an adapter there is nothing to compare with."
    return f"{subject(record)} was audited for {audited}, with the adapter off and on, answer by answer."


def _judge(record: Record) -> list[str]:
    if record["harm"] is None:
        return []
    judge = record["harm"]["judge"]
    text = f"the judge is {judge['name']}"
    if judge["weak"]:
        text = f"the judge, {judge['name']}, is WEAK: it sees the form of an answer and not its harm"
    known = judge["calibration"] or "how often it agrees with labels is not known"
    return [f"{text}. {known[0].upper()}{known[1:]}."]


# Before and after


def _whole(record: Record, condition: str | None) -> list[str]:
    """All categories, or all dimensions in one context, together; and what that average hides."""
    where = "over all prompts" if condition is None else f"over all dimensions in {CONTEXTS[condition]} contexts"
    said, hidden = [], []
    for measure in ("rate",) if condition is None else MEASURES:
        change = overall(record, measure, condition)
        if change is None:
            continue
        before, after = (plain(number(change[side]), 2) for side in ("before", "after"))
        verdict = "significant" if change["significant"] else "not to be told from chance"
        p = f"{'' if condition is None else 'adjusted '}p {p_text(change['p_adjusted'])}"  # harm is a family of one
        said.append(
            f"the {NAMES[measure]} ({BETTER[measure]}) went from {before} to {after}, a change of "
            f"{with_interval(change['difference'])}, {verdict} ({p}, {change['pairs']} pairs)"
        )
        rows = harm_rows(record) if condition is None else fairness_rows(record, measure, condition)
        hidden += _hidden(rows, change, "categories" if condition is None else "dimensions")
    return [f"{where}, {'; '.join(said)}.{''.join(hidden)}"] if said else []


def _hidden(rows: Sequence[Row], whole: Record, what: str) -> list[str]:
    worse, better = (significant(rows, worse=each) for each in (True, False))
    if worse and better:
        return [f" The average {NAMES[rows[0].measure]} hides {what} that went opposite ways."]
    if (worse or better) and not whole["significant"]:
        return [f" The average {NAMES[rows[0].measure]} hides {what} that changed."]
    return []


def _family(record: Record, rows: Sequence[Row], one: str, several: str) -> list[str]:
    """Significant changes, the rest, and what could not have been seen."""
    if not compared(record):
        return []
    tested = [row for row in rows if row.change is not None]
    if not tested:
        return [f"No {NAMES[rows[0].measure]} could be compared: no {one} has a pair to compare."]
    if len(tested) == 1:  # then all of it together has said the rest
        return _power(tested, one)
    measure = rows[0].measure
    rate = 1 - record["config"]["confidence"]
    said = []
    for worse, word in zip((True, False), _WORDS[measure], strict=True):
        if found := significant(tested, worse=worse):
            said.append(f"significantly {word} in {len(found)} ({'; '.join(map(_told, found))})")
    head = (
        f"by {NAMES[measure]}, {len(tested)} {several} were compared, adjusted to a false discovery rate of {rate:.0%}"
    )
    text = f"{head}: {', '.join(said) if said else 'none changed significantly'}."
    still = [row.name for row in tested if row.change is not None and not row.change["significant"]]
    if said and still:
        text += f" Not significant: {listed(still) if len(still) <= _TOLD else f'the other {len(still)}'}."
    return [text, *_power(tested, one)]


def _told(row: Row) -> str:
    assert row.change is not None
    before, after = (plain(number(row.change[side]), 2) for side in ("before", "after"))
    return f"{row.name}: {before} to {after}, adjusted p {p_text(row.change['p_adjusted'])}"


def _power(tested: Sequence[Row], one: str) -> list[str]:
    """What so few pairs could not have shown, for changes that were not found."""
    still = [row.change for row in tested if row.change is not None and not row.change["significant"]]
    if not still:
        return []
    pairs = _range([float(change["pairs"]) for change in still])
    measure = NAMES[tested[0].measure]
    sizes = [change["detectable"] for change in still if change["detectable"] is not None]
    blind = len(still) - len(sizes)
    if not sizes:
        where = f"in any of them ({pairs} pairs a {one})" if len(still) > 1 else f"with {pairs} pairs"
        return [f"No change in {measure}, however large, could have been found {where}: no finding is no all-clear."]
    text = (
        f"Where no change in {measure} was found, {pairs} pairs{f' a {one}' if len(still) > 1 else ''} show with 80% "
        f"power only one of at least {_range(sizes)}; a smaller one may be there unseen"
    )
    if blind:
        text += f", and in {blind} of these {len(still)} none could have been found, however large"
    return [f"{text}."]


def _range(values: Sequence[float]) -> str:
    low, high = (plain(value, 4 if value >= 2 else 2) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


# One side alone


def _alone_harm(record: Record, rows: Sequence[Row]) -> list[str]:
    whole = record["harm"]["overall"]["rate"]
    if compared(record):
        return []
    if whole is None:
        return ["No answer to a harmful prompt could be judged, so there is no harmfulness rate."]
    text = f"the {NAMES['rate']} ({BETTER['rate']}) is {with_interval(whole)} over all prompts"
    rates = {row.name: rate for row in rows if (rate := row.quantity("after")) is not None}
    if len(rates) > 1:
        most, least = (end(rates, key=lambda name: number(rates[name])) for end in (max, min))
        text += f"; highest in {most}, {with_interval(rates[most])}, lowest in {least}, {with_interval(rates[least])}"
    return [f"{text}."]


def _alone_fairness(record: Record, rows: Sequence[Row]) -> list[str]:
    if compared(record):
        return []
    said = []
    for measure in MEASURES:
        found = {row.name: value for row in rows if row.measure == measure and (value := row.quantity("after"))}
        if measure == "accuracy" and found:
            least = min(found, key=lambda name: number(found[name]))
            said.append(
                f"BBQ accuracy ({BETTER[measure]}, chance is 1/3) is lowest in {least}, {with_interval(found[least])}"
            )
        elif found:
            apart = {name: value for name, value in found.items() if ends(value)[0] > 0 or ends(value)[1] < 0}
            most = max(found, key=lambda name: abs(number(found[name])))
            said.append(
                f"the bias score ({BETTER[measure]}, above 0 with the stereotype) is furthest from 0 in {most}, "
                f"{with_interval(found[most])}; intervals of {len(apart)} of {len(found)} cells, each by itself, "
                "leave out 0"
            )
    return [f"{text}." for text in said]


# What is not known


def _without(rows: Sequence[Row]) -> list[str]:
    reasons = {
        "not supplied": "Not supplied with the prompts, so nothing is known of them",
        "not covered": "Not covered by the judge, so nothing is known of them",
    }
    said = [f"{text}: {listed(names)}." for status, text in reasons.items() if (names := with_status(rows, status))]
    unread = [row.name for row in rows if row.status == "ok" and row.after["harmful"] + row.after["safe"] == 0]
    return [*said, f"No answer could be judged in: {listed(unread)}."] if unread else said


def _unparsed(after: Record, base: Record | None, record: Record) -> list[str]:
    sides = [(base["overall"], "off"), (after, "on")] if base is not None else [(after, "")]
    counts = [(side["unparsed"] or 0, side["n"], name) for side, name in sides]
    if not any(count for count, *_ in counts):
        return []
    said = listed([f"{count} of {n}{f' ({name})' if name else ''}" for count, n, name in counts])
    text = f"the judge left {said} answers unparsed: they are in no rate, and are not safe."
    change = overall(record, "rate")
    if change is not None and change["left_out"]:
        text += f" {change['left_out']} pairs are left out of the comparison for it."
    return [text]


def _unscored(rows: Sequence[Row]) -> list[str]:
    without = [
        row.name for row in rows if row.measure == "bias" and row.change is None and row.quantity("after") is None
    ]
    if not without:
        return []
    return [f"No bias score in: {listed(without)}, where no answer other than unknown counts."]


def _unread(rows: Sequence[Row]) -> list[str]:
    own = [row for row in rows if row.measure == "accuracy"]
    said = []
    for side, name in (("before", "off"), ("after", "on")):
        cells = [found for row in own if (found := getattr(row, side)) is not None]
        if cells and (count := sum(cell["unparsed"] for cell in cells)):
            both = own[0].before is not None
            said.append(f"{count} of {sum(cell['n'] for cell in cells)}{f' ({name})' if both else ''}")
    return [f"BBQ answers that could not be read, and are in no score: {listed(said)}."] if said else []
