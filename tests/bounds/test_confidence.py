"""Intervals cover as often as they promise: smooth rows, rare spikes and constants, from 5 rows to 2000."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tradeoffbounds.bounds.confidence import (
    betting_upper,
    bootstrap_means,
    clopper_pearson,
    empirical_bernstein,
    percentile_interval,
    resample_indices,
)

pytestmark = pytest.mark.filterwarnings("error")

#: name -> (sampler of rows in [0, 1], their mean)
DISTRIBUTIONS = {
    "uniform": (lambda rng, shape: rng.uniform(size=shape), 0.5),
    "coin": (lambda rng, shape: (rng.uniform(size=shape) < 0.3).astype(float), 0.3),
    "rare spikes": (lambda rng, shape: (rng.uniform(size=shape) < 0.01).astype(float), 0.01),
    "rare gaps": (lambda rng, shape: (rng.uniform(size=shape) >= 0.01).astype(float), 0.99),
    "skewed": (lambda rng, shape: rng.beta(0.3, 6.0, size=shape), 0.3 / 6.3),
    "constant": (lambda rng, shape: np.full(shape, 0.25), 0.25),
}


def most_misses(nominal, simulations):
    """The nominal rate and three binomial standard errors."""
    return nominal + 3 * math.sqrt(nominal * (1 - nominal) / simulations)


@pytest.mark.parametrize("n", [5, 50, 300, 2000])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_empirical_bernstein_covers_the_mean(rng, name, n):
    sample, mean = DISTRIBUTIONS[name]
    ends = np.array([empirical_bernstein(rows, 1.0, 0.8) for rows in sample(rng, (1000, n))])
    missed = (mean < ends[:, 0]) | (mean > ends[:, 1])
    assert missed.mean() <= most_misses(0.2, 1000)


@pytest.mark.parametrize("n", [5, 50, 300, 2000])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_betting_covers_the_mean_and_stays_in_range(rng, name, n):
    sample, mean = DISTRIBUTIONS[name]
    low, high = -3.0, 5.0
    limits = np.array([betting_upper(low + (high - low) * rows, low, high, 0.8) for rows in sample(rng, (400, n))])
    missed = limits < low + (high - low) * mean - 1e-9
    assert missed.mean() <= most_misses(0.2, 400)
    assert limits.max() <= high
    assert limits.min() >= low


def test_empirical_bernstein_is_the_formula_of_maurer_and_pontil():
    rows = np.array([0.0, 1.0, 2.0, 2.0])
    log_term = math.log(2 / 0.05)
    radius = math.sqrt(2 * (11 / 12) * log_term / 4) + 7 * 3.0 * log_term / (3 * 3)
    assert empirical_bernstein(rows, 3.0, 0.9) == pytest.approx((1.25 - radius, 1.25 + radius), rel=1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_betting_is_the_smallest_mean_that_a_naive_gambler_rejects(rng, name):
    rows = DISTRIBUTIONS[name][0](rng, 60)
    alpha = 0.05

    def best_wealth(mean):
        wealth, best, total, squares = 1.0, 1.0, 0.5, 0.25
        for t, row in enumerate(rows, start=1):
            stake = math.sqrt(2 * math.log(1 / alpha) / (len(rows) * squares / t))
            wealth *= 1 + min(stake, 0.75 / (1 - mean)) * (mean - row)
            total += row
            squares += (row - total / (t + 1)) ** 2
            best = max(best, wealth)
        return best

    rejected = [mean for mean in np.linspace(0.0, 0.999, 1000) if best_wealth(mean) >= 1 / alpha]
    expected = min(rejected, default=1.0)
    assert betting_upper(rows, 0.0, 1.0, 1 - alpha) == pytest.approx(expected, abs=1.1e-3)
    assert len(rejected) == pytest.approx(1000 * (1 - expected), abs=2)  # all larger means are rejected, too


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_more_confidence_never_gives_a_smaller_limit(rng, name):
    rows = DISTRIBUTIONS[name][0](rng, 200)
    levels = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
    for limits in (
        [betting_upper(rows, 0.0, 1.0, level) for level in levels],
        [empirical_bernstein(rows, 1.0, level)[1] for level in levels],
        [-empirical_bernstein(rows, 1.0, level)[0] for level in levels],
    ):
        assert np.all(np.diff(limits) >= -1e-9)


@pytest.mark.parametrize("n", [30, 100, 300])
def test_betting_is_tighter_than_bernstein_for_few_rows_near_the_low_end(rng, n):
    for rows in 20.0 * rng.beta(0.5, 20.0, size=(50, n)):
        bernstein = empirical_bernstein(rows, 20.0, 0.9)[1]  # 5% on either side
        assert rows.mean() < betting_upper(rows, 0.0, 20.0, 0.95) < bernstein


@pytest.mark.parametrize(("rows", "low", "high"), [([0.5], 0.0, 1.0), ([0.5, 0.5], 1.0, 1.0), ([0.5, 0.5], 1.0, 0.0)])
def test_betting_refuses_one_row_or_an_empty_range(rows, low, high):
    with pytest.raises(ValueError, match="betting_upper needs 2 rows and high > low"):
        betting_upper(np.array(rows), low, high, 0.95)


@pytest.mark.parametrize("outlier", [1.1, -0.1, math.nan, math.inf])
def test_rows_outside_the_promised_range_are_refused(outlier):
    rows = np.array([0.0, 1.0, outlier])
    with np.errstate(invalid="ignore"):
        with pytest.raises(ValueError, match=r"rows must lie in \[0.0, 1.0\]"):
            betting_upper(rows, 0.0, 1.0, 0.95)
        with pytest.raises(ValueError, match=r"rows must lie in an interval of length 1.0"):
            empirical_bernstein(rows, 1.0, 0.95)


def test_rounding_at_the_ends_of_the_range_is_no_outlier():
    rows = np.array([0.1 + 0.2, 0.0, 0.3])  # 0.1 + 0.2 > 0.3 in doubles
    assert betting_upper(rows, 0.0, 0.3, 0.95) <= 0.3
    assert empirical_bernstein(rows, 0.3, 0.95)[1] > 0.2


def test_empirical_bernstein_refuses_one_row():
    with pytest.raises(ValueError, match="needs 2 rows, got 1"):
        empirical_bernstein(np.array([0.5]), 1.0, 0.95)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)],
)
def test_clopper_pearson_gives_the_values_of_the_tables(successes, trials, low, high):
    assert clopper_pearson(successes, trials, 0.95) == pytest.approx((low, high), abs=5e-5)


def test_bootstrap_means_repeat_with_their_seed_and_centre_on_the_mean(rng):
    rows = rng.normal(size=(500, 3))
    replicates = bootstrap_means(rows, resamples=2000, seed=7)
    assert replicates.shape == (2000, 3)
    np.testing.assert_array_equal(replicates, bootstrap_means(rows, resamples=2000, seed=7))
    assert not np.array_equal(replicates, bootstrap_means(rows, resamples=2000, seed=8))
    error = rows.std(axis=0) / math.sqrt(500)
    np.testing.assert_array_less(np.abs(replicates.mean(axis=0) - rows.mean(axis=0)), 4 * error / math.sqrt(2000))
    np.testing.assert_allclose(replicates.std(axis=0), error, rtol=0.1)


def test_bootstrap_resamples_rows_whole(rng):
    rows = rng.normal(size=(50, 1)) * np.array([[1.0, -2.0]])
    replicates = bootstrap_means(rows, resamples=100, seed=0)
    np.testing.assert_allclose(replicates[:, 1], -2 * replicates[:, 0], rtol=1e-9, atol=1e-12)


def test_percentile_interval_is_the_central_share():
    replicates = np.linspace(0.0, 1.0, 1001)
    assert percentile_interval(replicates, 0.9) == pytest.approx((0.05, 0.95))
    low, high = percentile_interval(np.stack([replicates, 2 * replicates], axis=1), 0.5)
    np.testing.assert_allclose([low, high], [[0.25, 0.5], [0.75, 1.5]])


def test_resampled_indices_are_rows_and_repeat_with_their_seed():
    indices = resample_indices(20, resamples=300, seed=1)
    assert indices.shape == (300, 20)
    assert set(np.unique(indices)) == set(range(20))
    np.testing.assert_array_equal(indices, resample_indices(20, resamples=300, seed=1))
