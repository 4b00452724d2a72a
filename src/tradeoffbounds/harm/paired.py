"""Before and after, pair by pair: how much a rate or a bias score moved, and whether that could be chance.

One prompt answered before and after is a pair, and only pairs that changed tell anything.

**Test.** Prompts are drawn one by one: McNemar's exact test, a binomial test of the pairs that changed. Rows of one BBQ
template are near copies, which that test would count as independent, so accuracy and bias are tested by permutation of
whole templates: had nothing changed, before and after could be swapped within any of them. For accuracy with
every template on its own the two tests are one.

**Interval.** Percentiles of a paired bootstrap that draws prompts, or templates with all their rows. Two adjustments
keep it honest for few of them: one made-up pair in either direction is drawn with the others (as Bonett and Price, J.
Educ. Behav. Stat. 2012, add to a Wald interval), without which a category where nothing changed had an interval of
width 0; and the percentiles move out as Student's t does against the normal distribution (Hesterberg, arXiv:1411.5279).

**Family.** p-values of one family are adjusted to the false discovery rate (Benjamini and Hochberg 1995).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from scipy import stats

from tradeoffbounds.bounds.bound import PROBABILITY, Bound
from tradeoffbounds.bounds.confidence import expanded_level, percentile_interval
from tradeoffbounds.harm.bbq_score import SCORE
from tradeoffbounds.harm.detectable import detectable_rate, detectable_score
from tradeoffbounds.harm.rates import wilson_rate

Array = np.ndarray
Key = TypeVar("Key", bound=Hashable)

RESAMPLES = 2000
#: Ways to swap are all looked at where so few templates changed; else so many random ones.
_ALL_SWAPS_UP_TO, _SWAPS = 12, 9999
_ROUNDING = 1e-12
_SILENT = "no answer but unknown, which is right here: 0 as (1 - accuracy) is 0"
#: Columns of a cluster's sums: values before and after, and what they are divided by.
_SWAPPED = (1, 0, 3, 2)


@dataclass(frozen=True)
class Change:
    """What one category or cell did between before and after.

    Attributes:
        pairs: parsed on both sides; ``left_out`` were not.
        worse, better: pairs that changed. Worse is harmful, wrong, or towards the stereotyped group, by what is
            compared; a bias score is not better for being further below 0.
        before, after, difference: over these pairs alone; difference = after - before.
        effect_size: Cohen's h of a rate; None of a bias score, which is no rate.
        detectable: the smallest difference found with 80% power, in its own unit; None where none is.
        p_adjusted, significant: within the family, see :func:`adjusted`.
    """

    pairs: int
    left_out: int
    worse: int
    better: int
    before: Bound
    after: Bound
    difference: Bound
    effect_size: float | None
    p: float
    detectable: float | None
    p_adjusted: float | None = None
    significant: bool = False

    def to_json(self) -> dict[str, Any]:
        quantities = {name: getattr(self, name).to_json() for name in ("before", "after", "difference")}
        return {
            "pairs": self.pairs, "left_out": self.left_out, "worse": self.worse, "better": self.better, **quantities,
            "effect_size": self.effect_size, "p": self.p, "p_adjusted": self.p_adjusted,
            "significant": self.significant, "detectable": self.detectable,
        }  # fmt: skip


def harm_change(
    before: Sequence[bool | None], after: Sequence[bool | None], *, name: str, tests: int, confidence: float, seed: int
) -> Change | None:
    """Change of the rate of harmful answers, each prompt for itself: McNemar's exact test, Wilson intervals.

    Args:
        before, after: whether the answer to each prompt was harmful; None where it was not parsed.
        tests: p-values in the family that this one will be adjusted in.

    Returns:
        None where no prompt was parsed on both sides.
    """
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if b is not None and a is not None]
    if not pairs:
        return None
    n = len(pairs)
    worse, better = pairs.count((False, True)), pairs.count((True, False))
    levels = [wilson_rate(sum(side), n, confidence=confidence, name=name) for side in zip(*pairs, strict=True)]
    assert levels[0] is not None and levels[1] is not None
    sums = np.array([[b, a, 1, 1] for b, a in pairs], float)
    intervals, _ = _bootstrap(sums, 0.0, confidence, seed)
    difference = _measured(
        levels[1].value - levels[0].value, intervals["difference"], confidence, PROBABILITY,
        f"paired bootstrap over {n} prompts", f"change of {name}", ("iid",),
    )  # fmt: skip
    return Change(
        n, len(before) - n, worse, better, levels[0], levels[1], difference, cohens_h(levels[0].value, levels[1].value),
        mcnemar(worse, better), detectable_rate(n, worse + better, (1 - confidence) / tests),
    )  # fmt: skip


def accuracy_change(
    before: Sequence[bool | None], after: Sequence[bool | None], clusters: Sequence[Hashable], *,
    name: str, tests: int, confidence: float, seed: int,
) -> Change | None:  # fmt: skip
    """Change of the share of correct answers, rows of one cluster staying together.

    Args:
        before, after: whether each item was answered correctly; None where the answer was not parsed.
        clusters: of each item, such as BBQ's ``question_index``.
    """
    values = [None if b is None or a is None else (b, a, 1, 1) for b, a in zip(before, after, strict=True)]
    if not any(values):
        return None
    found = _clustered_change(values, clusters, 0.0, PROBABILITY, name, tests, confidence, seed)
    h = cohens_h(found.before.value, found.after.value)
    return replace(found, worse=found.better, better=found.worse, effect_size=h)


def bias_change(
    before: Sequence[int | None], after: Sequence[int | None], clusters: Sequence[Hashable], *,
    ambiguous: bool, name: str, tests: int, confidence: float, seed: int,
) -> Change | None:  # fmt: skip
    """Change of BBQ's bias score, in [-1, 1], rows of one cluster staying together.

    With leanings l of +1, -1 and 0 the authors' score 2 n_biased / n_not_unknown - 1 of disambiguated items is
    sum(l) / sum(|l|), and that of ambiguous items, (1 - accuracy) times as much, is the mean of l.

    Args:
        before, after: the leaning of each answer: +1 biased, -1 against the stereotype, 0 unknown, None where it was
            not parsed. Items without a known target must be left out by the caller.

    Returns:
        None where no answer but unknown was given on either side; of disambiguated items, on one of them.
    """
    values = [
        None if b is None or a is None else (b, a, 1, 1) if ambiguous else (b, a, abs(b), abs(a))
        for b, a in zip(before, after, strict=True)
    ]
    known = [any(pair is not None and pair[side] for pair in values) for side in (0, 1)]
    if not (any(known) if ambiguous else all(known)):
        return None
    found = _clustered_change(values, clusters, -1.0, SCORE, name, tests, confidence, seed)
    sides = zip(("before", "after"), known, strict=True)
    silent = {side: replace(getattr(found, side), status=_SILENT) for side, any_known in sides if not any_known}
    return replace(found, **silent)


def adjusted(family: Mapping[Key, Change], confidence: float) -> dict[Key, Change]:
    """The family's changes with p-values for the false discovery rate, significant at 1 - ``confidence``."""
    if not family:
        return {}
    found = stats.false_discovery_control([change.p for change in family.values()], method="bh")
    return {
        key: replace(change, p_adjusted=float(p), significant=bool(p <= 1 - confidence))
        for (key, change), p in zip(family.items(), found, strict=True)
    }


# Tests


def mcnemar(worse: int, better: int) -> float:
    """Two-sided p-value of McNemar's exact test; 1 where no pair changed."""
    return float(stats.binomtest(worse, worse + better).pvalue) if worse + better else 1.0


def swap_test(sums: Float[Array, "g 4"], seed: int) -> float:
    """Two-sided p-value of the difference of two ratios, swapping before and after within whole clusters.

    Exact where at most 12 clusters changed, else over 9,999 random ways to swap, counting the one observed
    (Phipson and Smyth 2010). A way in which a ratio is 0/0 counts as extreme, the cautious side.

    Args:
        sums: values before and after, and what they are divided by, of each cluster.
    """
    swapped = sums[:, _SWAPPED]
    moved = (sums != swapped).any(axis=1)
    steps = (swapped - sums)[moved]
    if exact := len(steps) <= _ALL_SWAPS_UP_TO:
        ways = np.array(list(product((0, 1), repeat=len(steps))))
    else:
        ways = np.random.default_rng(seed).integers(0, 2, size=(_SWAPS, len(steps)))
    total = sums.sum(axis=0)
    # "Not below" counts what is not a number too.
    extreme = ~(np.abs(_difference(total + ways @ steps)) < abs(_difference(total)) - _ROUNDING)
    return float(extreme.mean()) if exact else float((1 + extreme.sum()) / (1 + _SWAPS))


def cohens_h(before: float, after: float) -> float:
    """2 asin sqrt(after) - 2 asin sqrt(before) (Cohen 1988, chapter 6): about 0.2 small, 0.5 medium, 0.8 large."""
    return 2 * (math.asin(math.sqrt(after)) - math.asin(math.sqrt(before)))


# Clusters


def _clustered_change(
    values: Sequence[tuple[float, float, float, float] | None], clusters: Sequence[Hashable], lowest: float, unit: str,
    name: str, tests: int, confidence: float, seed: int,
) -> Change:  # fmt: skip
    """Change of sum(value) / sum(weight), None for a pair left out; a rise counts as worse."""
    groups: dict[Hashable, list[tuple[float, float, float, float]]] = defaultdict(list)
    for pair, cluster in zip(values, clusters, strict=True):
        if pair is not None:
            groups[cluster].append(pair)
    pairs = [pair for group in groups.values() for pair in group]
    sums = np.array([np.sum(group, axis=0) for group in groups.values()], float)
    before, after = _ratios(sums.sum(axis=0))
    intervals, error = _bootstrap(sums, lowest, confidence, seed)

    def measured(value: float, which: str, what: str) -> Bound:
        method = f"paired bootstrap over {len(groups)} templates"
        return _measured(value, intervals[which], confidence, unit, method, what)

    return Change(
        len(pairs), len(values) - len(pairs), sum(a > b for b, a, *_ in pairs), sum(a < b for b, a, *_ in pairs),
        measured(before, "before", name), measured(after, "after", name),
        measured(after - before, "difference", f"change of {name}"), None, swap_test(sums, seed),
        detectable_score(error, len(groups), (1 - confidence) / tests, 1 - lowest),
    )  # fmt: skip


def _bootstrap(
    sums: Float[Array, "g 4"], lowest: float, confidence: float, seed: int
) -> tuple[dict[str, tuple[float, float]], float]:
    """Intervals of both ratios and of their difference, and the standard error of that.

    Args:
        lowest: the lowest value of a pair, whose highest is 1. Resamples where a ratio is 0/0 are left out.
    """
    g = len(sums)
    full = {"before": (lowest, 1.0), "after": (lowest, 1.0), "difference": (lowest - 1, 1 - lowest)}
    if g == 1:
        return full, math.inf
    rows = np.vstack([sums, [[lowest, 1, 1, 1], [1, lowest, 1, 1]]])
    draws = np.random.default_rng(seed).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES) @ rows
    draws = draws[(draws[:, 2:] > 0).all(axis=1)]
    levels = np.stack([*_ratios(draws), _difference(draws)], axis=1)
    low, high = percentile_interval(levels, expanded_level(confidence, g))
    intervals = {name: (float(low[k]), float(high[k])) for k, name in enumerate(full)}
    return intervals, float(levels[:, 2].std(ddof=1))


def _ratios(sums: Array) -> tuple[Any, Any]:
    with np.errstate(invalid="ignore"):
        return sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 3]


def _difference(sums: Array) -> Any:
    before, after = _ratios(sums)
    return after - before


def _measured(
    value: float, interval: tuple[float, float], confidence: float, unit: str, method: str, name: str,
    assumptions: tuple[str, ...] = (),
) -> Bound:  # fmt: skip
    # The made-up pairs pull a little towards no change.
    ends = min(interval[0], float(value)), max(interval[1], float(value))
    return Bound(
        float(value), "measured", unit=unit, interval=ends, confidence=confidence, method=method, theorem=name,
        assumptions=assumptions,
    )  # fmt: skip
