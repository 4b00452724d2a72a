"""All runs together: do predictions order what was observed, which bounds are violated, how tight are the rest?

A configuration is a run without its seed. Runs of one configuration are repetitions, not evidence of order, so
rank correlations are over configurations, predictions and observations averaged over the seeds first. Words and
tightness are counted over runs, as each run's bounds hold or not.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any, get_args

import numpy as np
from scipy import stats

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.tightness import Word
from tradeoffbounds.report.quantities import number

Record = dict[str, Any]

RANK_CORRELATION = "rank correlation"
#: Gaps and total that Case I predicts, so for runs with a penalty.
PREDICTED = ("safety_gap", "proxy_gap", "capability_gap", "total", "interference")
#: With three configurations every order has a probability of 1/6 at least: nothing can be concluded.
FEWEST_CONFIGURATIONS = 4
CONFIDENCE = 0.95
METHOD = "test inversion under a normal copula, over configurations (means over seeds) taken as independent"
_SAMPLES = 5000
_BISECTIONS = 12
#: Means over seeds differ by rounding, which must not become an order.
_DIGITS = 12

#: A point for every configuration: (predicted, observed), nats per response.
Pairs = list[tuple[float, float]]
#: The quantity in a run's ``observed``, None where there is none.
Observe = Callable[[Record], float | None]


def summarise(runs: list[Record]) -> Record:
    """The part ``summary`` of validate.json, from runs with ``config``, ``observed``, ``predicted`` and ``judged``.

    Returns:
        ``rank_correlation``: for each quantity Spearman's coefficient as a measured quantity, or None with fewer than
            4 configurations or where one side is constant; with the number of runs and configurations behind it.
            Drift is the predicted one against the change of the safety gap, for runs with a radius.
        ``violations``: for each bound how often it is violated, how often of these beyond sampling error, and of how
            many runs.
        ``tightness``: for each bound how often each word was said, and the median tightness where it holds: None where
            that is infinite or it never holds.
    """
    correlated = {name: _pairs(runs, name, "penalty", _observed(name)) for name in PREDICTED}
    correlated["drift"] = _pairs(runs, "drift", "radius", _observed_drift)
    judged: dict[str, list[Record]] = defaultdict(list)
    for run in runs:
        for name, judgement in run["judged"].items():
            judged[name].append(judgement)
    return {
        "rank_correlation": {
            name: {
                "spearman": None if (found := rank_correlation(pairs)) is None else found.to_json(),
                "runs": count,
                "configurations": len(pairs),
            }
            for name, (pairs, count) in correlated.items()
        },
        "violations": {name: _violations(each) for name, each in judged.items()},
        "tightness": {name: _tightness(each) for name, each in judged.items()},
    }


def rank_correlation(pairs: Pairs) -> Bound | None:
    """Spearman's coefficient of predicted and observed, with an interval; None where it says or is nothing."""
    columns = [[float(f"{value:.{_DIGITS}g}") for value in column] for column in zip(*pairs, strict=True)]
    if len(pairs) < FEWEST_CONFIGURATIONS or any(len(set(column)) == 1 for column in columns):
        return None
    found = float(stats.spearmanr(*columns).statistic)
    return Bound(
        found, "measured", unit=RANK_CORRELATION, interval=rank_interval(round(found, _DIGITS), len(pairs)),
        confidence=CONFIDENCE, method=METHOD,
    )  # fmt: skip


@cache
def rank_interval(observed: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The population's rank correlations under which ``observed`` is in neither tail, for points of a normal copula.

    It stays honest where a bootstrap over few points does not: points in perfect order have perfect order in every
    resample, while four of them are in perfect order by chance once in 24 times. The distribution of the coefficient
    is simulated (5,000 samples, a fixed seed); ranks without ties are assumed.

    Args:
        observed: Spearman's coefficient of ``count`` points.
    """
    rng = np.random.default_rng(0)
    first = np.sort(rng.standard_normal((_SAMPLES, count)), axis=1)
    noise = rng.standard_normal((_SAMPLES, count))
    tail = (1 - confidence) / 2

    def simulated(correlation: float) -> np.ndarray:
        second = correlation * first + math.sqrt(1 - correlation**2) * noise
        moved = second.argsort(axis=1).argsort(axis=1) - np.arange(count)
        return 1 - 6 * (moved**2).sum(axis=1) / (count * (count**2 - 1))

    low = _largest(lambda correlation: float(np.mean(simulated(correlation) >= observed - 1e-9)) <= tail)
    high = -_largest(lambda correlation: float(np.mean(simulated(-correlation) <= observed + 1e-9)) <= tail)
    return 6 / math.pi * math.asin(low / 2), 6 / math.pi * math.asin(high / 2)


def _largest(rejected: Callable[[float], bool]) -> float:
    """The largest correlation that is rejected, with all smaller ones; -1 where none is. Errs to the wide side."""
    low, high = -1.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low


def _observed(name: str) -> Observe:
    return lambda observed: None if observed.get(name) is None else number(observed[name])


def _observed_drift(observed: Record) -> float | None:
    after, start = number(observed["safety_gap"]), number(observed["safety_gap_start"])
    return after - start if math.isfinite(start) else None


def _pairs(runs: list[Record], name: str, limited_by: str, observe: Observe) -> tuple[Pairs, int]:
    """Predicted and observed for every configuration, and the number of runs behind them."""
    by_configuration: dict[str, Pairs] = defaultdict(list)
    for run in runs:
        config, predicted, observed = run["config"], run["predicted"].get(name), observe(run["observed"])
        if predicted is None or observed is None or config[limited_by] is None:
            continue
        key = json.dumps({part: value for part, value in config.items() if part != "seed"}, sort_keys=True)
        by_configuration[key].append((number(predicted), observed))
    means = [
        (math.fsum(predicted) / len(predicted), math.fsum(observed) / len(observed))
        for predicted, observed in (zip(*each, strict=True) for each in by_configuration.values())
    ]
    return means, sum(map(len, by_configuration.values()))


def _violations(judgements: list[Record]) -> Record:
    violated = [each for each in judgements if each["word"] == "violated"]
    return {"violated": len(violated), "certain": sum(each["certain"] for each in violated), "of": len(judgements)}


def _tightness(judgements: list[Record]) -> Record:
    words = Counter(each["word"] for each in judgements)
    held = [each["tightness"] for each in judgements if each["word"] != "violated"]
    median = statistics.median(math.inf if each is None else each for each in held) if held else math.inf
    return {"median": median if math.isfinite(median) else None, **{word: words[word] for word in get_args(Word)}}
