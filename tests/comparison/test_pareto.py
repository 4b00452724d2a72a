"""The front against a definition by hand, and replicates whose spread is known."""

from __future__ import annotations

import numpy as np
import pytest

from tradeoffbounds.comparison.pareto import pareto_front, resampled_means


def by_hand(costs):
    def beats(a, b):
        return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))

    return [not any(beats(other, each) for other in costs) for each in costs]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_front_is_what_nothing_beats(rng, k):
    costs = rng.integers(0, 4, size=(30, 8, k)).astype(float)
    assert pareto_front(costs).tolist() == [by_hand(each.tolist()) for each in costs]


def test_equal_runs_do_not_beat_each_other():
    assert pareto_front(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0]])).tolist() == [True, True, False]


def test_a_run_without_a_number_is_on_no_front_and_beats_none():
    assert pareto_front(np.array([[np.nan, 0.0], [1.0, 1.0]])).tolist() == [False, True]


def test_replicates_spread_as_the_standard_error_says(rng):
    values = rng.normal(size=(2, 400))
    means, draws = resampled_means(values, range(400), seed=0)
    assert means == pytest.approx(values.mean(axis=1))
    assert draws.std(axis=0) == pytest.approx(values.std(axis=1) / 20, rel=0.1)


def test_runs_share_the_rows_of_a_replicate(rng):
    values = rng.normal(size=400)
    _, draws = resampled_means(np.stack([values, values + 1]), range(400), seed=0)
    assert draws[:, 1] - draws[:, 0] == pytest.approx(1)


def test_rows_of_a_cluster_are_drawn_together():
    values = np.repeat([[0.0, 1.0]], 50, axis=1)
    _, draws = resampled_means(values, [0] * 50 + [1] * 50, seed=0)
    assert set(np.unique(draws).tolist()) == {0.0, 0.5, 1.0}


def test_unreadable_answers_are_left_out():
    means, draws = resampled_means(np.array([[1.0, np.nan, 0.0, 1.0], [np.nan] * 4]), range(4), seed=0, resamples=50)
    assert means[0] == pytest.approx(2 / 3) and np.isnan(means[1])
    assert draws.shape == (50, 2) and np.isnan(draws[:, 1]).all()
