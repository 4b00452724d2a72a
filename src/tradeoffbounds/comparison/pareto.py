"""What no other beats in everything, and bootstrap replicates of what it is judged by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

Array = np.ndarray
RESAMPLES = 2000


def pareto_front(costs: Float[Array, "*b n k"]) -> Bool[Array, "*b n"]:
    """Which of n runs are on the front: no other is at most as bad in all of k costs and better in one.

    Args:
        costs: lower is better; a run with a NaN is on no front and beats none. Leading axes are problems of their own.
    """
    # [..., i, j, k]: run j against run i.
    no_worse = (costs[..., None, :, :] <= costs[..., :, None, :]).all(axis=-1)
    better = (costs[..., None, :, :] < costs[..., :, None, :]).any(axis=-1)
    front: Array = ~((no_worse & better).any(axis=-1) | np.isnan(costs).any(axis=-1))
    return front


def resampled_means(
    values: Float[Array, "n rows"], clusters: Sequence[object], *, seed: int, resamples: int = RESAMPLES
) -> tuple[Float[Array, " n"], Float[Array, "b n"]]:
    """Each run's mean over its rows, and bootstrap replicates of it, NaN rows (unreadable answers) left out.

    Every replicate draws the same clusters for all runs: they were asked the same, and their errors go together.

    Args:
        clusters: of each row: rows of one cluster are drawn together.
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    member = np.zeros((len(places), values.shape[1]))
    member[[places[name] for name in clusters], np.arange(values.shape[1])] = 1
    sums, counts = np.nan_to_num(values) @ member.T, (~np.isnan(values)).astype(float) @ member.T
    g = len(places)
    draws = np.random.default_rng(seed).multinomial(g, np.full(g, 1 / g), size=resamples).astype(float)
    with np.errstate(invalid="ignore"):  # 0/0, no answer that could be read, is NaN
        return sums.sum(axis=1) / counts.sum(axis=1), (draws @ sums.T) / (draws @ counts.T)
