"""What figures, tables and sentences of `validate` read out of its record together, so that they cannot disagree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE
from tradeoffbounds.bounds.tightness import RELATIVE_ROUNDING, ROUNDING, Word
from tradeoffbounds.models.prompt_init import method_name, short_prompt_init
from tradeoffbounds.report.quantities import ends, number, plain, shortened

Record = dict[str, Any]
Along = Literal["penalty", "radius"]

#: Names of data may be paths or system prompts; figures and sentences show so much of them.
NAME_WIDTH = 32
#: A title tells at most so many settings one by one.
_TOLD = 3


class Described(NamedTuple):
    """A bound in words: its name, the theorem it belongs to, and the gap it bounds."""

    label: str
    theorem: str
    quantity: str


BOUNDS = {
    "theorem1.paper": Described("Theorem 1 (paper)", "Theorem 1", "safety_gap"),
    "theorem1.refined": Described("Theorem 1 (refined)", "Theorem 1", "safety_gap"),
    "theorem2.paper": Described("Theorem 2 (paper)", "Theorem 2", "capability_gap"),
    "theorem2.refined": Described("Theorem 2 (refined)", "Theorem 2", "capability_gap"),
    "classifier_bound": Described("classifier bound", "Theorem 4", "total"),
    "certificate.total": Described("certificate", "Theorem 4", "total"),
    "interference.classifier_bound": Described("classifier bound (interference)", "Interference", "interference"),
    "interference.certificate": Described("certificate (interference)", "Interference", "interference"),
    "theorem3.paper": Described("Theorem 3 (paper)", "Theorem 3", "safety_gap"),
    "theorem3.refined": Described("Theorem 3 (refined)", "Theorem 3", "safety_gap"),
    "capability.upper": Described("best in ball at most", "Theorem 3", "capability_gap"),
    "capability.lower": Described("best in ball at least", "Theorem 3", "capability_gap"),
}
#: Every word of a judgement, from the best to the worst.
WORDS: tuple[str, ...] = get_args(Word)


class Judged(NamedTuple):
    """One bound of one run beside what was observed."""

    name: str
    run: Record
    bound: Record
    observed: Record
    word: str
    certain: bool


def judgements(record: Record) -> list[Judged]:
    """Every bound of every run that was judged, in the order of :data:`BOUNDS` within a run."""
    found = []
    for run in record["runs"]:
        for name in BOUNDS:
            if name in run["judged"]:
                judged = run["judged"][name]
                observed = run["observed"][judged["quantity"]]
                found.append(Judged(name, run, run["bounds"][name], observed, judged["word"], judged["certain"]))
    return found


def by_bound(record: Record) -> dict[str, list[Judged]]:
    """The judgements of each bound that any run has, in the order of :data:`BOUNDS`."""
    found: dict[str, list[Judged]] = {}
    for each in judgements(record):
        found.setdefault(each.name, []).append(each)
    return {name: found[name] for name in BOUNDS if name in found}


def words_of(judged: Iterable[Judged]) -> Counter[str]:
    """How often each of :data:`WORDS` was said."""
    return Counter(each.word for each in judged)


def quantity_text(quantity: str) -> str:
    return "safety drift" if quantity == "drift" else quantity.replace("_", " ")


def predictions(run: Record) -> Iterator[tuple[str, Record, tuple[float, float, float]]]:
    """Quantity, prediction, and observation as (value, low, high): of all that was predicted and observed.

    The drift is what the fine-tune moved the safety gap by; from an infinite start nothing can be said to move.
    """
    for quantity, predicted in run["predicted"].items():
        if quantity == "drift":
            if math.isfinite(number(run["observed"]["safety_gap_start"])):
                yield quantity, predicted, moved(run, "safety_gap")
        elif (observed := run["observed"][quantity]) is not None:
            yield quantity, predicted, (number(observed), *ends(observed))


def moved(run: Record, quantity: str) -> tuple[float, float, float]:
    """By how much the fine-tune raised a gap; its interval adds both ends' intervals, so it is on the wide side."""
    after, before = run["observed"][quantity], run["observed"][f"{quantity}_start"]
    (low, high), (low_before, high_before) = ends(after), ends(before)
    return number(after) - number(before), low - high_before, high - low_before


# Runs in words


def run_text(run: Record) -> str:
    """What was run, in words; the proxy only where it was trained on."""
    config = run["config"]
    trained_on = ("capability",) if config["penalty"] is None else ("proxy", "capability")
    parts = [" -> ".join(entry(part, config[part]) for part in trained_on), method_text(config)]
    if config["penalty"] is not None:
        parts.append(f"lambda {config['penalty']:g}")
    if config["radius"] is not None:
        parts.append(f"radius {config['radius']:g}")
    if config["penalty"] is None and config["radius"] is None:
        parts.append("unconstrained")
    return ", ".join(parts)


def counted(count: int, what: str) -> str:
    """A count with its noun: ``1 run``, ``2 runs``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def trained_text(config: Record) -> str:
    """What was trained; with how its virtual tokens started where that was chosen."""
    return method_name(config["method"], config.get("prompt_init"))


def method_text(config: Record) -> str:
    return f"{trained_text(config)} {config['objective'].upper()}"


def distinguishing(settings: Sequence[Record], always: Sequence[str] = ()) -> list[str]:
    """A label each: the entries under ``always``, and all that not every setting has in common."""
    keys = dict.fromkeys([*always, *(key for setting in settings for key in setting)])
    differing = [
        key for key in keys if key in always or any(each.get(key) != settings[0].get(key) for each in settings)
    ]
    return [", ".join(entry(key, setting[key]) for key in differing if key in setting) for setting in settings]


def entry(key: str, value: Any) -> str:
    """One entry of a configuration in words."""
    if key == "penalty":
        return "no penalty" if value is None else f"λ = {value:g}"
    if key == "radius":
        return "no ball" if value is None else f"radius {value:g}"
    if key == "prompt_init":
        return short_prompt_init(value)
    return shortened(value, NAME_WIDTH) if isinstance(value, str) else f"{key.replace('_', ' ')} {value}"


# Runs along a penalty or a radius


@dataclass(frozen=True)
class Sweep:
    """Runs that differ in one constraint, and in the seed.

    Attributes:
        along: the constraint.
        setting: all else that their configuration says; the proxy only where it was trained on.
        points: (value of the constraint, runs), rising.
        without: runs that differ from these in not having the constraint.
    """

    along: Along
    setting: Record
    points: list[tuple[float, list[Record]]]
    without: list[Record]

    @property
    def runs(self) -> list[Record]:
        return [run for _, runs in self.points for run in runs]

    @property
    def without_name(self) -> str:
        """What the runs without the constraint are called."""
        other = self.setting["radius" if self.along == "penalty" else "penalty"]
        return "unconstrained" if other is None else "no penalty" if self.along == "penalty" else "no ball"

    def ordered(self) -> list[tuple[float, list[Record]]]:
        """From the constraint's smallest value on; runs without it count as penalty 0, or as an infinite radius."""
        if not self.without:
            return self.points
        if self.along == "penalty":
            return [(0.0, self.without), *self.points]
        return [*self.points, (math.inf, self.without)]


def sweeps(runs: Sequence[Record], along: Along) -> list[Sweep]:
    """The runs that have this constraint, in groups that differ in nothing else; in the order of the runs."""
    groups: dict[tuple[tuple[str, Any], ...], dict[float, list[Record]]] = {}
    for run in runs:
        value = run["config"][along]
        if value is not None:
            group = groups.setdefault(tuple(sorted(_setting(run["config"], along).items())), {})
            group.setdefault(value, []).append(run)
    found = []
    for key, group in groups.items():
        setting = dict(key)
        without = [run for run in runs if run["config"][along] is None and _matches(run["config"], setting, along)]
        found.append(Sweep(along, setting, sorted(group.items()), without))
    return found


def _setting(config: Record, along: Along) -> Record:
    # The rate first logged is noted beside the configuration: it follows from it.
    unused = {along, "seed"} | ({"proxy"} if config["penalty"] is None else set())
    return {key: value for key, value in config.items() if key not in unused}


def _matches(config: Record, setting: Record, along: Along) -> bool:
    own = _setting(config, along)
    # Without a penalty no proxy is trained on: it stands beside every proxy's runs.
    expected = {key: value for key, value in setting.items() if key != "proxy" or "proxy" in own}
    return own == expected


def mean(runs: Iterable[Record], pick: tuple[str, str]) -> float:
    """The mean over runs (seeds) of ``run[pick[0]][pick[1]]``; NaN where one of them lacks it."""
    values = [run[pick[0]].get(pick[1]) for run in runs]
    if not values or any(value is None for value in values):
        return math.nan
    return sum(number(value) for value in values) / len(values)


class Step(NamedTuple):
    """From one value of a constraint to the next: the mean gap at both, and whether it rises (1), falls (-1) or stays.

    ``apart``: the observations' intervals at both ends, over all seeds, do not touch.
    """

    sweep: Sweep
    values: tuple[float, float]
    gaps: tuple[float, float]
    direction: int
    apart: bool


def steps(sweep: Sweep, quantity: str) -> list[Step]:
    """What a gap does from each value of the constraint to the next."""
    found = []
    for (value, runs), (next_value, next_runs) in pairwise(sweep.ordered()):
        gaps = mean(runs, ("observed", quantity)), mean(next_runs, ("observed", quantity))
        change, rounding = gaps[1] - gaps[0], ROUNDING + RELATIVE_ROUNDING * max(map(abs, gaps))
        direction = 0 if gaps[0] == gaps[1] or abs(change) <= rounding else 1 if change > 0 else -1
        both = [hull(ends(run["observed"][quantity]) for run in group) for group in (runs, next_runs)]
        found.append(Step(sweep, (value, next_value), gaps, direction, not overlap(*both)))
    return found


def hull(intervals: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """From the lowest to the highest end."""
    lows, highs = zip(*intervals, strict=True)
    return min(lows), max(highs)


def overlap(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return first[0] <= second[1] and second[0] <= first[1]


def course(found: Sequence[Sweep], labels: Sequence[str], preposition: str) -> str:
    """What the safety gap does from the smallest to the largest value of the constraint, in words; means over seeds."""
    ends_of = [
        [mean(runs, ("observed", "safety_gap")) for _, runs in (each.points[0], each.points[-1])] for each in found
    ]
    if len(found) > _TOLD:
        falls = sum(after < before for before, after in ends_of)
        constraint = f"the smallest to the largest {found[0].along}"
        return f"the safety gap falls from {constraint} in {falls} of {len(found)} settings"
    said: list[str] = []
    for sweep, label, (before, after) in zip(found, labels, ends_of, strict=True):
        first, last = (entry(sweep.along, value) for value, _ in (sweep.points[0], sweep.points[-1]))
        text = f"{preposition} {label} {'it' if said else 'the safety gap'} "
        if first == last:
            said.append(f"{text}is {plain(before, 2)} ({first})")
        else:
            verb = "falls" if after < before else "rises"
            said.append(f"{text}{verb} from {plain(before, 2)} ({first}) to {plain(after, 2)} ({last})")
    return f"{', '.join(said)} {NATS_PER_RESPONSE}"
