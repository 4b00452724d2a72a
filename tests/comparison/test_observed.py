"""Gaps from rows: arithmetic that keeps rows paired, intervals, and what is known of preference runs."""

import math

import numpy as np
import pytest
from scipy import stats

from tradeoffbounds.comparison.observed import Measured, Reference, gap, per_token, preference

Z95 = float(stats.norm.ppf(0.975))


@pytest.fixture
def rows(rng):
    """Three sources of unlike size, the third of rows that go with the first one's."""
    first = rng.normal(2.0, 1.0, 40)
    return {"a": first, "b": rng.normal(-1.0, 3.0, 25), "a again": first + rng.normal(0.5, 0.1, 40)}


def half_width(bound):
    low, high = bound.interval
    assert (low + high) / 2 == pytest.approx(bound.value, abs=1e-12)
    return (high - low) / 2


def test_a_mean_has_the_normal_interval_of_its_rows(rows):
    bound = Measured({"a": rows["a"]}).bound("safety gap", 0.9)
    assert bound.value == pytest.approx(rows["a"].mean())
    low, high = stats.norm.interval(0.9, rows["a"].mean(), stats.sem(rows["a"]))
    assert bound.interval == pytest.approx((low, high))
    assert (bound.kind, bound.side, bound.unit, bound.confidence) == ("measured", "value", "nats/response", 0.9)
    assert bound.theorem == "safety gap" and bound.assumptions == ("iid",)


def test_sources_are_independent_of_each_other(rows):
    total = (Measured({"a": rows["a"]}) + Measured({"b": rows["b"]}) * 0.5).bound("total", 0.95)
    assert total.value == pytest.approx(rows["a"].mean() + 0.5 * rows["b"].mean())
    variance = rows["a"].var(ddof=1) / 40 + 0.25 * rows["b"].var(ddof=1) / 25
    assert half_width(total) == pytest.approx(Z95 * math.sqrt(variance))


def test_rows_of_one_source_are_paired(rows):
    """What two models say of the same rows rises and falls together, and the difference does not."""
    difference = Measured({"a": rows["a again"]}) - Measured({"a": rows["a"]})
    paired = difference.bound("difference", 0.95)
    assert paired.value == pytest.approx((rows["a again"] - rows["a"]).mean())
    assert half_width(paired) == pytest.approx(Z95 * stats.sem(rows["a again"] - rows["a"]))
    apart = Measured({"a": rows["a again"]}) - Measured({"other": rows["a"]})
    assert half_width(paired) < half_width(apart.bound("difference", 0.95)) / 5
    nothing = (Measured({"a": rows["a"]}) - Measured({"a": rows["a"]})).bound("nothing", 0.95)
    assert nothing.value == 0 and nothing.interval == (0, 0)


def test_a_proxy_that_is_the_capability_source_is_paired_with_it(rows):
    both = (Measured({"a": rows["a"]}) + Measured({"a": rows["a again"]}) * 2.0).bound("total", 0.95)
    together = rows["a"] + 2 * rows["a again"]
    assert both.value == pytest.approx(together.mean())
    assert half_width(both) == pytest.approx(Z95 * stats.sem(together))


def test_of_one_row_there_is_no_interval():
    bound = Measured({"a": np.array([3.0])}).bound("gap", 0.95)
    assert bound.value == 3 and bound.interval == (-math.inf, math.inf)
    assert bound.to_json()["interval"] == [None, None]


@pytest.mark.usefixtures("unchecked_shapes")
def test_intervals_cover_as_often_as_they_say(rng):
    """2 E a - E b over many samples; at 90 per cent, give or take four standard errors."""
    covered = []
    for _ in range(2000):
        total = Measured({"a": rng.exponential(1.0, 60)}) * 2.0 - Measured({"b": rng.normal(1.0, 2.0, 80)})
        low, high = total.bound("total", 0.9).interval
        covered.append(low <= 1.0 <= high)
    assert np.mean(covered) == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 2000))


def test_a_gap_is_what_a_reference_leaves_row_by_row():
    losses = {"own": np.array([5.0, 7.0, 9.0]), "other": np.array([1.0])}
    measured = gap(losses, "own", Reference(np.array([4.0, 4.0, 10.0]), "the start"))
    assert list(measured.means) == ["own"] and measured.means["own"].tolist() == [1.0, 3.0, -1.0]
    assert gap(losses, "own", Reference(np.zeros(3), "exact")).value == 7


def test_a_gap_per_token_is_over_the_mean_length():
    measured = Measured({"a": np.array([2.0, 4.0, 6.0])}).bound("safety gap", 0.95)
    scaled = per_token(measured, [5, 10, 15])
    assert scaled.value == pytest.approx(0.4)
    assert scaled.interval == pytest.approx(tuple(end / 10 for end in measured.interval))
    assert scaled.unit == "nats/token" and scaled.theorem == "safety gap per token" and "10 tokens" in scaled.method
    assert (scaled.kind, scaled.confidence, scaled.assumptions) == ("measured", 0.95, ("iid",))


def test_a_preference_run_is_bounded_by_the_ratios_that_it_was_seen_to_have(rng):
    before = rng.normal(20.0, 2.0, 50)
    ratios = rng.normal(0.3, 1.0, 50)
    found = preference(before + ratios, before, 0.2, 0.95)
    assert found["beta"] == 0.2
    assert found["expectation"]["value"] == pytest.approx(ratios.mean())
    low, high = found["expectation"]["interval"]
    assert high - low == pytest.approx(2 * Z95 * stats.sem(ratios))
    for level, quantity in found["quantiles"].items():
        assert quantity["value"] == pytest.approx(np.quantile(ratios, float(level)))
        assert quantity["interval"] is None and quantity["assumptions"] == ["rows"]
    assert list(found["quantiles"]) == ["0.5", "0.9", "0.99"]
    assert found["supremum"]["value"] == pytest.approx(np.abs(ratios).max())
    assert found["expectation"]["value"] <= found["supremum"]["value"]
