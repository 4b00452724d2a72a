"""Order over configurations, with intervals that four points cannot fool; counts over runs."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from tradeoffbounds.comparison.summary import rank_correlation, rank_interval, summarise

from .made_runs import judgement, run

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)


def case_one(predicted, observed, *, penalty, seed=0, quantity="capability_gap", **rest):
    gaps = {"safety_gap": 1.0, "proxy_gap": 1.0, "capability_gap": 1.0, "total": None, "safety_gap_start": 0.0}
    return run(gaps | {quantity: observed}, predicted={quantity: predicted}, penalty=penalty, seed=seed, **rest)


def correlation(runs, quantity="capability_gap"):
    return summarise(runs)["rank_correlation"][quantity]


def test_predictions_in_the_order_of_what_was_observed():
    found = correlation([case_one(p, p**2, penalty=p) for p in PENALTIES])
    assert found["spearman"]["value"] == pytest.approx(1.0)
    assert found["spearman"]["kind"] == "measured"
    assert found["spearman"]["unit"] == "rank correlation"
    assert "normal copula" in found["spearman"]["method"]
    assert (found["runs"], found["configurations"]) == (5, 5)
    backwards = correlation([case_one(p, -p, penalty=p) for p in PENALTIES])
    assert backwards["spearman"]["value"] == pytest.approx(-1.0)


def test_one_exchanged_pair_of_five_costs_a_tenth():
    observed = (1.0, 2.0, 4.0, 3.0, 5.0)
    runs = [case_one(p, seen, penalty=p) for p, seen in zip(PENALTIES, observed, strict=True)]
    assert correlation(runs)["spearman"]["value"] == pytest.approx(0.9)


def test_seeds_are_averaged_before_anything_is_ranked():
    # Over the ten runs the order is poor, over the means of two seeds it is perfect.
    runs = [case_one(p, p + (-1) ** seed * 20, penalty=p, seed=seed) for p in PENALTIES for seed in (0, 1)]
    found = correlation(runs)
    assert found["spearman"]["value"] == pytest.approx(1.0)
    assert (found["runs"], found["configurations"]) == (10, 5)


def test_three_configurations_say_nothing_however_many_seeds():
    runs = [case_one(p, p, penalty=p, seed=seed) for p in PENALTIES[:3] for seed in range(4)]
    assert correlation(runs) == {"spearman": None, "runs": 12, "configurations": 3}


def test_a_constant_side_has_no_order_even_when_its_means_differ_by_rounding():
    runs = [case_one(p, 0.1 * 3 if p < 1 else 0.3, penalty=p) for p in PENALTIES]
    assert correlation(runs)["spearman"] is None


def test_case_one_needs_a_penalty_and_drift_a_radius():
    drift = [
        run({"safety_gap": 2 + r, "proxy_gap": 0.0, "capability_gap": 0.0, "total": None, "safety_gap_start": 2.0},
            predicted={"drift": r**3, "capability_gap": r}, penalty=None, radius=r)
        for r in (0.1, 0.2, 0.3, 0.4)
    ]  # fmt: skip
    found = summarise([*drift, case_one(1.0, 1.0, penalty=1.0)])["rank_correlation"]
    assert found["drift"]["spearman"]["value"] == pytest.approx(1.0)
    assert found["drift"]["runs"] == 4
    assert found["capability_gap"]["runs"] == 1
    assert found["total"] == {"spearman": None, "runs": 0, "configurations": 0}


def test_drift_is_the_change_of_the_safety_gap_and_not_the_gap():
    starts = (9.0, 6.0, 3.0, 0.0)
    runs = [
        run({"safety_gap": start + r, "proxy_gap": 0.0, "capability_gap": 0.0, "total": None,
             "safety_gap_start": start}, predicted={"drift": r}, penalty=None, radius=r)
        for start, r in zip(starts, (0.1, 0.2, 0.3, 0.4), strict=True)
    ]  # fmt: skip
    assert correlation(runs, "drift")["spearman"]["value"] == pytest.approx(1.0)


def test_violations_and_tightness_are_counted_over_runs():
    words = [("tight", 1.5), ("tight", 1.9), ("loose", 4.0), ("vacuous", None), ("violated", 0.5)]
    runs = [
        case_one(1.0, 1.0, penalty=1.0, seed=seed, judged={"theorem2.paper": judgement(word, times, certain=seed < 4)})
        for seed, (word, times) in enumerate(words)
    ]
    runs[0]["judged"]["theorem3.paper"] = judgement("vacuous", None)
    found = summarise(runs)
    assert found["violations"]["theorem2.paper"] == {"violated": 1, "certain": 0, "of": 5}
    assert found["tightness"]["theorem2.paper"] == {
        "median": pytest.approx((1.9 + 4.0) / 2), "tight": 2, "loose": 1, "far": 0, "vacuous": 1, "violated": 1,
    }  # fmt: skip
    # An infinite bound is no reason to leave it out of the median.
    assert found["tightness"]["theorem3.paper"]["median"] is None
    json.dumps(found, allow_nan=False)


def test_no_runs_at_all():
    found = summarise([])
    assert found["violations"] == found["tightness"] == {}
    assert all(each["spearman"] is None for each in found["rank_correlation"].values())


@pytest.mark.parametrize("count", [4, 5, 6])
def test_the_interval_leaves_out_zero_exactly_where_the_permutation_test_does(count):
    orders = np.array([*itertools.permutations(range(count))])
    every = np.round(1 - 6 * ((orders - np.arange(count)) ** 2).sum(axis=1) / (count * (count**2 - 1)), 12)
    compared = 0
    for observed in np.unique(every):
        chance = np.mean(every >= observed)
        if abs(chance - 0.025) > 0.006:  # the simulation's own error
            low, high = rank_interval(float(observed), count)
            assert (low > 0) == (chance < 0.025)
            assert -1 <= low <= observed <= high <= 1
            compared += 1
    assert compared > 5


def test_four_points_in_perfect_order_do_not_prove_an_order():
    low, high = rank_interval(1.0, 4)
    assert low < 0 < 0.999 < high
    assert rank_interval(1.0, 8)[0] > 0.3
    assert rank_interval(-1.0, 8) == pytest.approx(tuple(-end for end in reversed(rank_interval(1.0, 8))), abs=0.02)


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.6, 0.95])
def test_the_interval_covers_the_population_as_often_as_it_says(correlation):
    truth = 6 / math.pi * math.asin(correlation / 2)
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        first, noise = rng.standard_normal((2, 6))
        second = correlation * first + math.sqrt(1 - correlation**2) * noise
        found = round(float(stats.spearmanr(first, second).statistic), 12)
        low, high = rank_interval(found, 6)
        covered += low <= truth <= high
    assert covered >= 0.92 * 300


def test_infinite_predictions_rank_above_finite_ones():
    assert rank_correlation([(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (math.inf, 4.0)]).value == pytest.approx(1.0)
