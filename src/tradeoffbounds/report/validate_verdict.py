"""Real fine-tunes in plain words: which bounds held, what training lost, whether predictions rank the runs."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tradeoffbounds.report.quantities import ends, number, plain, with_interval
from tradeoffbounds.report.validate_directions import directions
from tradeoffbounds.report.validate_reading import (
    BOUNDS,
    WORDS,
    Judged,
    by_bound,
    counted,
    judgements,
    method_text,
    quantity_text,
    run_text,
    words_of,
)

Record = dict[str, Any]

#: Numbers of runs in one list, at most.
_MOST_NUMBERED = 8
#: At most so many violating runs are told one by one; the tables have all of them.
_TOLD = 4


def validate_verdict(record: Record) -> list[str]:
    """Sentences for people, each resting on numbers of the record."""
    runs = record["runs"]
    if not runs:
        return [*_stand_ins(record), "No fine-tune was run, so nothing was compared."]
    sentences = [
        *_stand_ins(record), _runs(record), *_below_zero(runs), *(_bound(record, name) for name in by_bound(record)),
        *_violations(record), *_slack(runs), *_gradients(runs), *_ranks(record), *directions(runs),
        *_preferences(runs), _signatures(runs),
    ]  # fmt: skip
    return [f"{sentence[0].upper()}{sentence[1:]}" for sentence in sentences]


def _stand_ins(record: Record) -> list[str]:
    replaced = [f"{role} ({s['stand_in_for']})" for role, s in record["sources"].items() if s.get("stand_in_for")]
    if not replaced:
        return []
    return [
        f"These are fine-tunes on bundled stand-in data for {', '.join(replaced)}: they show how the comparison works, "
        "and say nothing about the data sets themselves."
    ]


def _runs(record: Record) -> str:
    runs = record["runs"]
    constraints = Counter(_constraint(run) for run in runs)
    listed = ", ".join(f"{count} {name}" for name, count in constraints.items())
    methods = Counter(method_text(run["config"]) for run in runs)
    seeds = len({run["config"]["seed"] for run in runs})
    return (
        f"{counted(len(runs), 'fine-tune')} in {record['mode']} mode: {listed}; "
        f"{', '.join(f'{name} {count}' for name, count in methods.items())}; {counted(seeds, 'seed')}."
    )


def _constraint(run: Record) -> str:
    held = [
        name
        for part, name in (("penalty", "with a penalty"), ("radius", "in a ball"))
        if run["config"][part] is not None
    ]
    return " and ".join(held) or "unconstrained"


def _below_zero(runs: Sequence[Record]) -> list[str]:
    gaps = ("safety_gap", "proxy_gap", "capability_gap")
    below = {gap: sum(number(run["observed"][gap]) < 0 for run in runs) for gap in gaps}
    if not any(below.values()):
        return []
    listed = ", ".join(f"{quantity_text(gap)} in {count}" for gap, count in below.items() if count)
    return [
        f"Gaps below 0 are better than the reference, which is then not the best there is: {listed} of "
        f"{counted(len(runs), 'run')}. A bound above such a gap says little."
    ]


# Bounds


def _bound(record: Record, name: str) -> str:
    judged = by_bound(record)[name]
    words, of, label = words_of(judged), len(judged), BOUNDS[name].label
    held = of - words["violated"]
    closeness = ", ".join(f"{words[word]} {word}" for word in WORDS if word != "violated" and words[word])
    median = record["summary"]["tightness"][name]["median"]
    if median is not None and words["vacuous"] < held:
        closeness += f"; median bound over observed gap {plain(median, 2)}"
    if not words["violated"]:
        return f"{label}: no violation in {f'any of {of} runs' if of > 1 else 'the only run'} ({closeness})."
    doubt = sum(each.word == "violated" and not each.certain for each in judged)
    text = f"{label}: violated in {words['violated']} of {counted(of, 'run')}, {doubt} of these within the sampling "
    text += f"interval; holds in {held}{f' ({closeness})' if held else ''}."
    if name == "capability.upper":
        text += " It bounds the best of the ball, which a run need not find."
    return text


def _violations(record: Record) -> list[str]:
    """The runs whose bounds fail by most, with what training lost there; how many more there are."""
    by_run: dict[int, list[Judged]] = {}
    places = {id(run): place for place, run in enumerate(record["runs"], start=1)}
    for each in judgements(record):
        if each.word == "violated":
            by_run.setdefault(places[id(each.run)], []).append(each)
    worst = sorted(by_run, key=lambda place: -max(map(_excess, by_run[place])))
    told = [_violated(place, by_run[place]) for place in sorted(worst[:_TOLD])]
    more = len(worst) - len(told)
    return told + ([f"{counted(more, 'more run')} violate bounds by less: see the tables."] if more else [])


def _excess(judged: Judged) -> float:
    """By how much the observation is beyond the bound, nats per response."""
    return abs(number(judged.observed) - number(judged.bound))


def _violated(place: int, judged: Sequence[Judged]) -> str:
    run = judged[0].run
    parts = [
        f"{BOUNDS[each.name].label} (observed {quantity_text(BOUNDS[each.name].quantity)} "
        f"{plain(number(each.observed))}, bound {plain(number(each.bound))}"
        f"{'' if each.certain else ', within the sampling interval'})"
        for each in judged
    ]
    return f"Run {place} ({run_text(run)}) violates {'; '.join(parts)}. {_reason(run, judged)}"


def _reason(run: Record, judged: Sequence[Judged]) -> str:
    """delta + kappa beside the violation and its two parts; in a ball, how the constants did on the path."""
    said = []
    if run["slack"] is not None:
        slack = run["slack"]
        text = f"delta + kappa there is {with_interval(slack['total'])}"
        if slack["apart"] is not None and slack["sharing"] is not None:
            apart, sharing = (plain(number(slack[part]), 2) for part in ("apart", "sharing"))
            text += f", of which training apart leaves {apart} too and sharing parameters adds {sharing}"
        said.append(text)
        case_one = [each for each in judged if BOUNDS[each.name].theorem != "Theorem 3"]
        covered = sum(_excess(each) <= number(slack["total"]) for each in case_one)
        if case_one:
            said.append(f"that is as much as the bound lacks in {covered} of {counted(len(case_one), 'case')}")
    if _known_path(run):
        largest, constant = run["path"]["largest_gradient"], run["path"]["lipschitz"]
        said.append(f"the largest |grad G_s| on its path is {plain(number(largest))}, L_s {plain(number(constant))}")
    text = "; ".join(said) or "what training lost there is not known"
    return f"{text[0].upper()}{text[1:]}."


def _slack(runs: Sequence[Record]) -> list[str]:
    slacks = [run["slack"] for run in runs if run["slack"] is not None]
    if not slacks:
        return []
    text = (
        f"Above the predicted least total, {counted(len(slacks), 'run')} with a penalty lost (delta + kappa) "
        f"{_spread([number(each['total']) for each in slacks])} nats a response"
    )
    split = [each for each in slacks if each["apart"] is not None and each["sharing"] is not None]
    if not split:
        return [f"{text}; without single-source training beside them it is not known what of it is sharing."]
    apart, sharing = (_spread([number(each[part]) for each in split]) for part in ("apart", "sharing"))
    where = "" if len(split) == len(slacks) else f" (known of {len(split)})"
    return [f"{text}: training apart leaves {apart} too, sharing parameters adds {sharing}{where}."]


def _spread(values: Sequence[float]) -> str:
    """The median, and from where to where where there are several values."""
    if min(values) == max(values):
        return plain(values[0], 2)
    ends_of = f"{plain(min(values), 2)} to {plain(max(values), 2)}"
    return f"a median of {plain(statistics.median(values), 2)} ({ends_of})"


def _known_path(run: Record) -> bool:
    """Whether gradients were followed along the training, and there is an L_s to put beside them."""
    return run["path"] is not None and run["path"]["lipschitz"] is not None


def _gradients(runs: Sequence[Record]) -> list[str]:
    known = [run["path"] for run in runs if _known_path(run)]
    if not known:
        return []
    below = sum(number(path["largest_gradient"]) <= number(path["lipschitz"]) for path in known)
    return [
        f"Along the paths in a ball |grad G_s| stayed below the L_s that Theorem 3 uses in {below} of "
        f"{counted(len(known), 'run')}."
    ]


# Predictions


def _ranks(record: Record) -> list[str]:
    found = {name: each for name, each in record["summary"]["rank_correlation"].items() if each["runs"]}
    ranked = [_rank(name, each) for name, each in found.items() if each["spearman"] is not None]
    unknown = [
        f"{quantity_text(name)} ({counted(each['runs'], 'run')})"
        for name, each in found.items()
        if each["spearman"] is None
    ]
    said = [f"Rank correlation of predicted and observed: {'; '.join(ranked)}."] if ranked else []
    if unknown:
        said.append(
            f"Whether predictions rank the runs cannot be said for {', '.join(unknown)}: too few that differ in more "
            "than the seed, or no difference in the numbers."
        )
    return said


def _rank(quantity: str, found: Record) -> str:
    low, high = ends(found["spearman"])
    meaning = "better than chance" if low > 0 else "in the wrong order" if high < 0 else "not to be told from chance"
    return (
        f"{quantity_text(quantity)} {with_interval(found['spearman'])} over {counted(found['runs'], 'run')}, {meaning}"
    )


# Preferences and signatures


def _preferences(runs: Sequence[Record]) -> list[str]:
    found = [run["preference"] for run in runs if run["preference"] is not None]
    if not found:
        return []
    means, largest = ([number(each[part]) for each in found] for part in ("expectation", "supremum"))
    return [
        f"In {counted(len(found), 'preference run')} log(reference / trained) on alignment responses is on average "
        f"{_spread(means)} nats, and the largest seen is {plain(max(largest), 2)}: of a sample, so no bound."
    ]


def _signatures(runs: Sequence[Record]) -> str:
    # Imported here: that package reads quantities of the record too.
    from tradeoffbounds.comparison.signatures import SIGNATURES

    seen: dict[str, list[int]] = {}
    for number_of_run, run in enumerate(runs, 1):
        for name in run["signatures"]:
            seen.setdefault(name, []).append(number_of_run)
    if not seen:
        return f"None of {', '.join(SIGNATURES)} was seen with certainty in {counted(len(runs), 'run')}."
    told = [
        f"{name} in {len(where)} of {counted(len(runs), 'run')} ({_numbered(where, len(runs))}"
        f"{SIGNATURES[name].removesuffix('.')})"
        for name, where in seen.items()
    ]
    return f"Seen with certainty: {'; '.join(told)}."


def _numbered(where: Sequence[int], of: int) -> str:
    """Which runs, as tables number them; empty where it is all of them, or more than anyone reads."""
    if len(where) == of or len(where) > _MOST_NUMBERED:
        return ""
    return f"{'run' if len(where) == 1 else 'runs'} {', '.join(map(str, where))}: "
