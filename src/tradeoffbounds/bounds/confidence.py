"""Intervals for means and rates of sampled rows; each says when it is a proof and when it is not.

All error probabilities are two-sided levels ``confidence`` (0.95 leaves 2.5% on either side) except in
functions whose name ends in ``_upper``, which spend the whole of it on one side.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, stats

Array = np.ndarray

#: How far, as a share of their range, rows may leave it by rounding alone.
_ROUNDING = 1e-6
_ALMOST_ONE = 1 - 1e-12


def empirical_bernstein(rows: Float[Array, " n"], width: float, confidence: float) -> tuple[float, float]:
    """Mean ± sqrt(2 V log(2/α) / n) + 7 R log(2/α) / (3 (n-1)), for every n (Maurer and Pontil 2009, Thm 4).

    Args:
        rows: independent terms in an interval of length ``width`` = R, known before looking at them.
        confidence: two-sided level; each side spends half of the error.

    Raises:
        ValueError: fewer than 2 rows, or rows further apart than ``width``.
    """
    radius = _bernstein_radius(rows, width, (1 - confidence) / 2)
    mean = float(rows.mean())
    return mean - radius, mean + radius


def betting_upper(rows: Float[Array, " n"], low: float, high: float, confidence: float) -> float:
    """One-sided upper confidence limit for the mean of terms in [low, high], by betting.

    For a candidate mean m, a gambler bets on rows below m; the wealth prod(1 + b_t (m - z_t)) is a
    nonnegative supermartingale when the mean is m or more, so by Ville's inequality it exceeds 1/α with
    probability at most α. The limit is the smallest m that is rejected at some point (Waudby-Smith and
    Ramdas 2024, section 4, with their predictable plug-in bets). Valid for every n and much
    tighter than the empirical Bernstein bound when n is small and most terms are near ``low``.

    The rows are looked at in the order given, so they must come in random order: sorted rows void the proof.

    Raises:
        ValueError: fewer than 2 rows, an empty range, or rows outside of it.
    """
    n = len(rows)
    if n < 2 or not high > low:
        raise ValueError(f"betting_upper needs 2 rows and high > low, got n = {n}, [{low}, {high}]")
    z = (rows - low) / (high - low)
    if not (z.min() >= -_ROUNDING and z.max() <= 1 + _ROUNDING):
        raise ValueError(f"rows must lie in [{low}, {high}], got [{rows.min()}, {rows.max()}]")
    z = np.clip(z, 0.0, 1.0)
    log_target = np.log(1 / (1 - confidence))
    # Bets use the running mean and variance of the rows before t, never row t itself.
    t = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(z)) / (t + 1)
    variances = (0.25 + np.cumsum((z - means) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    bets = np.sqrt(2 * log_target / (n * before))

    if _log_wealth(_ALMOST_ONE, z, bets, log_target) < 0:
        return high
    # The wealth rises with m: more of it the higher the mean that is tested.
    limit = optimize.brentq(_log_wealth, 0.0, _ALMOST_ONE, args=(z, bets, log_target), xtol=1e-9)
    return low + (high - low) * float(limit)


def _log_wealth(m: float, z: Array, bets: Array, log_target: float) -> float:
    """Largest log-wealth over time against the mean ``m``, less what rejection needs."""
    stakes = np.minimum(bets, 0.75 / (1 - m))  # keeps every factor at 1/4 or more
    return float(np.cumsum(np.log1p(stakes * (m - z))).max()) - log_target


def bootstrap_means(rows: Float[Array, "n k"], *, resamples: int, seed: int) -> Float[Array, "b k"]:
    """Bootstrap replicates of the k column means, rows resampled together (so columns stay dependent)."""
    n = len(rows)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples) / n
    return np.asarray(weights @ rows)


def percentile_interval(
    replicates: Float[Array, " b ..."], confidence: float
) -> tuple[Float[Array, " ..."], Float[Array, " ..."]]:
    """The central ``confidence`` share of bootstrap replicates, along the first axis."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail], axis=0)
    return np.asarray(low), np.asarray(high)


def expanded_level(confidence: float, n: int) -> float:
    """The level to ask percentiles for so that few resampled units, ``n`` >= 2, cover at about ``confidence``.

    Percentiles are too narrow by sqrt((n-1)/n) and by what the normal distribution is narrower than Student's t
    (Hesterberg, arXiv:1411.5279).
    """
    t = stats.t.ppf((1 + confidence) / 2, n - 1) * np.sqrt(n / (n - 1))
    return float(1 - 2 * stats.norm.sf(t))


def clopper_pearson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Exact interval for a rate, from scipy; covers at least ``confidence`` for every n."""
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def resample_indices(n: int, *, resamples: int, seed: int) -> Int[Array, "b n"]:
    """Bootstrap row indices, for statistics that are no means."""
    return np.random.default_rng(seed).integers(0, n, size=(resamples, n))


def _bernstein_radius(rows: Array, width: float, alpha: float) -> float:
    n = len(rows)
    if n < 2:
        raise ValueError(f"the empirical Bernstein bound needs 2 rows, got {n}")
    if not np.ptp(rows) <= width * (1 + _ROUNDING):
        raise ValueError(f"rows must lie in an interval of length {width}, got [{rows.min()}, {rows.max()}]")
    log_term = float(np.log(2 / alpha))
    return float(np.sqrt(2 * rows.var(ddof=1) * log_term / n) + 7 * width * log_term / (3 * (n - 1)))
