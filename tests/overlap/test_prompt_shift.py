"""Total variation, overlap mass and Donsker-Varadhan against sources whose densities are known."""

import numpy as np
import pytest

from tradeoffbounds.overlap.certificate import HeldOut, hold_out
from tradeoffbounds.overlap.prompt_shift import kl_lower_bound, overlap_mass, tv_estimate, tv_lower_bound

from . import known_sources


def _world(n, seed=0):
    first, second = known_sources.sources(2, prompt_shift=0.4, response_shift=0.4, seed=3)
    rng = np.random.default_rng(seed)
    drawn = [source.sample(n, rng)[0] for source in (first, second)]
    ratios = [known_sources.log_ratio(first.prompt_words, second.prompt_words, x) for x in drawn]
    return first, second, ratios


def _true_tv(ratios):
    """TV = E_P (1 - Q/P)_+, from exact log-ratios of many draws of P; bounded terms, so no heavy tail."""
    return np.maximum(-np.expm1(-ratios[0]), 0).mean()


def test_exact_log_ratios_give_the_true_total_variation():
    *_, many = _world(200_000, seed=9)
    *_, few = _world(2000)
    estimate = tv_estimate(*few, 0.95, seed=0)
    assert estimate.interval[0] <= _true_tv(many) <= estimate.interval[1]
    assert overlap_mass(estimate).value == pytest.approx(1 - estimate.value)
    assert overlap_mass(estimate).interval == pytest.approx(tuple(1 - end for end in estimate.interval[::-1]))


def test_certified_total_variation_stays_below_the_truth():
    *_, many = _world(200_000, seed=9)
    truth = _true_tv(many)
    misses = 0
    for seed in range(100):
        *_, ratios = _world(60, seed)
        bound = tv_lower_bound(HeldOut(*ratios, chosen_on=tuple(ratios)), 0.95)
        misses += bound.value > truth
        assert 0 <= bound.value <= 1
    assert misses <= 5


def test_equal_prompts_have_no_certified_distance():
    world = known_sources.sources(1, prompt_shift=0.4, response_shift=0.4, seed=2)
    rng = np.random.default_rng(0)
    twins = known_sources.domains([world[0].sample(100, rng), world[0].sample(100, rng)])
    assert tv_lower_bound(hold_out(*twins, seed=0), 0.95).value == 0


def test_donsker_varadhan_with_the_true_ratio_is_the_divergence_and_with_another_is_below():
    first, second, _ = _world(1)
    truth = 12 * np.sum(first.prompt_words * np.log(first.prompt_words / second.prompt_words))
    *_, ratios = _world(20_000)
    best = kl_lower_bound(*ratios, 0.95, what="KL(D|D_hat)", seed=0)
    assert best.interval[0] <= truth <= best.interval[1]
    worse = kl_lower_bound(ratios[0] * 0.5, ratios[1] * 0.5, 0.95, what="KL(D|D_hat)", seed=0)
    assert worse.value < best.value
    assert worse.side == best.side == "lower"
