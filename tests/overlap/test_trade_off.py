"""Brackets of the trade-off: their order, their limits, and what happens with shared prompts."""

import numpy as np
import pytest

from tradeoffbounds.bounds.classifier_bound import trivial_capability, trivial_proxy, trivial_total
from tradeoffbounds.overlap.domain import Domain
from tradeoffbounds.overlap.trade_off import NO_UPPER_END, STILL_MOVING, Curve, LogRatios, curves, log_ratios

from . import known_sources

PENALTIES = (1e-6, 0.1, 1.0, 10.0, 1e6)


@pytest.fixture(scope="module")
def ratios():
    world = known_sources.sources(2, prompt_shift=0.4, response_shift=0.4, seed=3)
    rng = np.random.default_rng(0)
    return log_ratios(*known_sources.domains([source.sample(120, rng) for source in world]), seed=0)


def test_bands_enclose_ends_and_never_pass_what_is_known_without_data(ratios):
    trivial = {"total": trivial_total, "capability_gap": trivial_capability, "proxy_gap": trivial_proxy}
    for name, curve in curves(ratios, PENALTIES, confidence=0.95, seed=0).items():
        cap = np.array([trivial[name](penalty) for penalty in PENALTIES])
        assert np.all(np.isfinite([curve.lower, curve.upper, *curve.band]))
        assert np.all((curve.band[0] >= 0) & (curve.band[0] <= curve.lower))
        assert np.all((curve.lower <= curve.upper) & (curve.upper <= curve.band[1]) & (curve.band[1] <= cap))


def test_extreme_penalties_reach_their_limits(ratios):
    """λ -> 0: the capability gap and the total vanish; λ -> inf: the proxy gap does. No NaN on the way."""
    brackets = curves(ratios, PENALTIES, confidence=0.95, seed=0)
    assert brackets["capability_gap"].upper[0] < 1e-5
    assert brackets["total"].upper[0] < 1e-4
    assert brackets["proxy_gap"].upper[-1] < 1e-5
    assert brackets["total"].upper[-1] == pytest.approx(brackets["capability_gap"].upper[-1], rel=0.2)


def test_capability_gap_rises_and_proxy_gap_falls_with_the_penalty(ratios):
    grid = np.logspace(-2, 2, 9)
    brackets = curves(ratios, grid, confidence=0.95, seed=0)
    assert np.all(np.diff(brackets["capability_gap"].upper) > 0)
    assert np.all(np.diff(brackets["proxy_gap"].upper) < 0)


def test_shared_prompts_make_the_prompt_term_exact_and_the_lower_end_a_bound():
    world = known_sources.sources(2, prompt_shift=0.0, response_shift=0.5, seed=1)
    rng = np.random.default_rng(1)
    prompts, first = world[0].sample(150, rng)
    second = world[1].sample(150, rng)[1]
    groups = np.arange(150)
    domains = [Domain({"counts": prompts.astype(float)}, {"counts": y.astype(float)}, groups) for y in (first, second)]
    ratios = log_ratios(*domains, seed=0)
    assert ratios.shared_prompts
    total = curves(ratios, [1.0], confidence=0.95, seed=0)["total"]
    assert total.upper[0] == pytest.approx(2 * np.log(2))
    low, high = total.ends_at(1.0, "theorem 4")
    assert low.assumptions == high.assumptions == ("A2", "iid", "shared-prompts")
    assert 0 < low.value < high.value


def test_a_lower_end_that_still_moves_opens_its_interval_to_zero(ratios):
    curve = curves(ratios, [1.0], confidence=0.95, seed=0)["total"]
    settled, moving = curve, Curve(**{**vars(curve), "flat": False})
    assert settled.ends_at(1.0, "t")[0].interval[0] > 0
    low, _ = moving.ends_at(1.0, "t")
    assert low.interval[0] == 0
    assert low.status == STILL_MOVING


def test_without_an_upper_bound_the_upper_end_is_infinite(ratios):
    curve = curves(ratios, [1.0], confidence=0.95, seed=0)["total"]
    _, high = Curve(**{**vars(curve), "upper_is_bound": False}).ends_at(1.0, "t")
    assert high.value == np.inf
    assert high.status == NO_UPPER_END


def test_equal_sources_cost_nothing_to_tell_apart_and_the_lower_end_says_so():
    world = known_sources.sources(1, prompt_shift=0.4, response_shift=0.4, seed=2)
    rng = np.random.default_rng(2)
    twins = known_sources.domains([world[0].sample(200, rng), world[0].sample(200, rng)])
    total = curves(log_ratios(*twins, seed=0), [1.0], confidence=0.95, seed=0)["total"]
    assert total.lower[0] < 0.05
    assert total.upper[0] > 0.95 * trivial_total(1.0)


def test_constant_log_ratios_give_the_trivial_bound():
    zeros = np.zeros(10)
    flat = LogRatios(zeros, zeros, zeros, zeros, (zeros, zeros), shared_prompts=False)
    for penalty in PENALTIES:
        total = curves(flat, [penalty], confidence=0.95, seed=0)["total"]
        assert total.upper[0] == pytest.approx(trivial_total(penalty), rel=1e-9)
        assert total.lower[0] == 0
