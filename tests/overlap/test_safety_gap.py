"""Theorem 1's terms from exact log-ratios, against sources whose densities are known."""

import numpy as np
import pytest

from tradeoffbounds.overlap.safety_gap import ALIGNMENT, CAPABILITY, PROXY, ThreeWay, safety_curve, safety_terms

from . import known_sources

PENALTIES = (1e-6, 0.1, 1.0, 10.0, 1e6)


@pytest.fixture(scope="module")
def world():
    return known_sources.sources(3, prompt_shift=0.15, response_shift=0.15, seed=3)


@pytest.fixture(scope="module")
def exact(world):
    """What a perfect three-way classifier would give, on 20,000 rows a source."""
    proxy, rng = world[PROXY], np.random.default_rng(0)
    drawn = [source.sample(20_000, rng) for source in world]

    def ratios(source):
        def both(x, y):
            prompts = known_sources.log_ratio(source.prompt_words, proxy.prompt_words, x)
            return prompts, prompts + known_sources.log_ratio(source.response_words, proxy.response_words, y)

        return {row: both(*drawn[row]) for row in (ALIGNMENT, PROXY, CAPABILITY)}

    return ThreeWay(ratios(world[ALIGNMENT]), ratios(world[CAPABILITY]))


@pytest.mark.parametrize("penalty", [0.1, 1.0, 10.0])
def test_exact_ratios_give_the_true_gap_and_its_decomposition(world, exact, penalty):
    truth = known_sources.truth(*world, penalty)
    terms = safety_terms(exact, penalty, seed=0)
    assert terms.gap_lower[0] == pytest.approx(truth.safety_gap, rel=0.05)
    parts = truth.proxy_gap + terms.prompt_shift[0] + terms.response_shift[0]
    assert parts == pytest.approx(truth.safety_gap, rel=0.05)
    response_kl = 30 * np.sum(
        world[ALIGNMENT].response_words * np.log(world[ALIGNMENT].response_words / world[PROXY].response_words)
    )
    assert terms.response_kl[0] == pytest.approx(response_kl, rel=0.05)
    assert terms.response_kl_on_proxy[0] == pytest.approx(response_kl, rel=0.1)
    assert terms.refined[0] >= truth.safety_gap * 0.98


def test_the_estimated_bound_lies_above_the_lower_end_at_every_penalty(exact):
    curve = safety_curve(exact, PENALTIES, confidence=0.95, seed=0)
    assert np.all(np.isfinite([curve.lower, curve.upper, *curve.band]))
    assert np.all(curve.lower <= curve.upper)
    assert not curve.upper_is_bound
    assert curve.ends_at(1.0, "t")[1].value == np.inf


def test_miscalibrated_ratios_lower_the_lower_end(exact):
    """Overconfident ratios raise E[T], and Donsker and Varadhan's normaliser takes more than that back."""

    def scaled(ratios):
        return {row: (prompts, prompts + 2 * (pairs - prompts)) for row, (prompts, pairs) in ratios.items()}

    loud = ThreeWay(scaled(exact.alignment_ratio), scaled(exact.capability_ratio))
    assert safety_terms(loud, 1.0, seed=0).gap_lower[0] < safety_terms(exact, 1.0, seed=0).gap_lower[0]
