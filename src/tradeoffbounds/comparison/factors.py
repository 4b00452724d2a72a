"""Which choice of a grid of fine-tunes moves an outcome: the effect of every factor, tested by permutation in blocks.

A block holds the runs that are alike in all other factors, seed and model among them. If a factor did nothing at all,
its levels could be swapped within every block, which is the test (Good, Permutation Tests, 2000): no distribution is
assumed, and effects that point one way in one block and the other way in the next cancel. Blocks that lack a level are
left out and counted. p-values of all factors and outcomes are adjusted together (Benjamini and Hochberg 1995).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

#: A run's level of every factor, in words.
Setting = Mapping[str, str]
#: All ways to swap are looked at where there are no more than these, else so many random ones.
RESAMPLES = 9999


@dataclass(frozen=True)
class Effect:
    """What one factor did to one outcome, over complete blocks.

    Attributes:
        levels: level -> (mean over blocks, least, largest), in the outcome's unit; empty without a complete block.
        blocks: that have every level once.
        left_out: runs in no such block, or without a finite outcome.
        share: of the variance over these runs, what the means of the levels explain, in [0, 1]; None where there is
            none to explain. In a full grid the shares of all factors add up to 1 less what they do in combination.
        p: of the factor doing nothing; None where it was not tested, since a single block could not show anything.
        least_p: the smallest that so many blocks can give.
    """

    levels: dict[str, tuple[float, float, float]]
    blocks: int
    left_out: int
    share: float | None
    p: float | None
    least_p: float | None
    p_adjusted: float | None = None
    significant: bool = False

    def to_json(self) -> dict[str, Any]:
        levels = {
            name: dict(zip(("mean", "least", "largest"), each, strict=True)) for name, each in self.levels.items()
        }
        rest = {name: getattr(self, name) for name in
                ("blocks", "left_out", "share", "p", "least_p", "p_adjusted", "significant")}  # fmt: skip
        return {"levels": levels} | rest


def varied(settings: Sequence[Setting]) -> dict[str, list[str]]:
    """Factor -> its levels, for factors that have several; in the order of their appearance.

    A factor that follows from an earlier or finer one, as a learning rate does where every method has its own, cannot
    be told from it and is left out.
    """
    names = dict.fromkeys(name for setting in settings for name in setting)
    levels = {name: list(dict.fromkeys(setting[name] for setting in settings)) for name in names}
    found: dict[str, list[str]] = {}
    for name, each in levels.items():
        finer = [other for other in names if other != name and _follows(settings, name, other)]
        same = [other for other in finer if len(levels[other]) == len(each)]
        if len(each) > 1 and not (set(finer) - set(same) or set(same) & set(found)):
            found[name] = each
    return found


def _follows(settings: Sequence[Setting], name: str, other: str) -> bool:
    """Whether the level of ``other`` says that of ``name``."""
    return len({(setting[other], setting[name]) for setting in settings}) == len({each[other] for each in settings})


def factor_effects(
    settings: Sequence[Setting], outcomes: Mapping[str, Sequence[float | None]], *, confidence: float, seed: int = 0
) -> dict[str, dict[str, Effect]]:
    """Outcome -> factor -> effect, significant at a false discovery rate of 1 - ``confidence`` over all of them.

    Args:
        settings: of each run, all with the same factors; no two runs alike.
        outcomes: name -> one number a run, None where it has none.
        seed: of the random ways to swap, where there are too many to look at all.

    Raises:
        ValueError: two runs have the same setting.
    """
    if len({tuple(sorted(setting.items())) for setting in settings}) < len(settings):
        raise ValueError("two runs have the same setting, so that neither is the one of its block")
    factors = varied(settings)
    settings = [{name: setting[name] for name in factors} for setting in settings]
    found = {
        outcome: {factor: _effect(settings, values, factor, levels, seed) for factor, levels in factors.items()}
        for outcome, values in outcomes.items()
    }
    return _adjusted(found, confidence)


def _effect(
    settings: Sequence[Setting], values: Sequence[float | None], factor: str, levels: Sequence[str], seed: int
) -> Effect:
    blocks: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for setting, value in zip(settings, values, strict=True):
        if value is not None and math.isfinite(value):
            key = tuple(sorted((name, level) for name, level in setting.items() if name != factor))
            blocks.setdefault(key, {})[setting[factor]] = value
    table = np.array([[block[level] for level in levels] for block in blocks.values() if len(block) == len(levels)])
    left_out = len(settings) - table.size
    if not len(table):
        return Effect({}, 0, left_out, None, None, None)
    means = table.mean(axis=0)
    total = float(((table - table.mean()) ** 2).sum())
    between = len(table) * float(((means - means.mean()) ** 2).sum())
    p, least = (None, None) if len(table) == 1 else _test(table, seed)
    return Effect(
        {name: (float(column.mean()), float(column.min()), float(column.max()))
         for name, column in zip(levels, table.T, strict=True)},
        len(table), left_out, between / total if total > 0 else None, p, least,
    )  # fmt: skip


def _test(table: np.ndarray, seed: int) -> tuple[float, float]:
    """p-value of a table (blocks, levels), and the least that any such table could have."""

    def spread(*columns: np.ndarray, axis: int = -1) -> Any:
        return np.var(np.stack([column.mean(axis=axis) for column in columns]), axis=0)

    found = stats.permutation_test(
        tuple(table.T), spread, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES,
        alternative="greater", rng=np.random.default_rng(seed),
    )  # fmt: skip
    ways = math.factorial(table.shape[1])
    # Giving the levels one another's names in all blocks alike changes nothing.
    exact = float(ways) ** (1 - len(table))
    return float(found.pvalue), max(exact, 1 / (RESAMPLES + 1))


def _adjusted(found: dict[str, dict[str, Effect]], confidence: float) -> dict[str, dict[str, Effect]]:
    tested = [(outcome, factor, each.p) for outcome, row in found.items() for factor, each in row.items()
              if each.p is not None]  # fmt: skip
    if not tested:
        return found
    for (outcome, factor, _), p in zip(
        tested, stats.false_discovery_control([p for *_, p in tested], method="bh"), strict=True
    ):
        found[outcome][factor] = replace(
            found[outcome][factor], p_adjusted=float(p), significant=bool(p <= 1 - confidence)
        )
    return found
