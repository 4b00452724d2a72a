"""Coverage by simulation: the brackets and certificates against sources whose densities are known."""

import numpy as np
import pytest
from joblib import Parallel, delayed
from scipy.stats import binom

from tradeoffbounds.overlap.certificate import certify, hold_out
from tradeoffbounds.overlap.safety_gap import safety_curve, three_way
from tradeoffbounds.overlap.trade_off import curves, log_ratios

from . import known_sources

PENALTIES = (0.1, 1.0, 10.0)
REPETITIONS = 300
ROWS = 150
QUANTITIES = ("total", "capability_gap", "proxy_gap")


@pytest.fixture(scope="module")
def world():
    """Alignment, proxy and capability sources with moderate overlap of prompts and of responses."""
    return known_sources.sources(3, prompt_shift=0.4, response_shift=0.4, seed=3)


@pytest.fixture(scope="module")
def truths(world):
    return [known_sources.truth(*world, penalty) for penalty in PENALTIES]


def _repeat(world, seed):
    """Bands and certificates of one fresh draw: arrays (quantity, penalty)."""
    rng = np.random.default_rng(seed)
    proxy, capability = known_sources.domains([source.sample(ROWS, rng) for source in world[1:]])
    brackets = curves(log_ratios(capability, proxy, seed=seed), PENALTIES, confidence=0.95, seed=seed)
    certificates = certify(hold_out(capability, proxy, seed=seed), PENALTIES, confidence=0.95)
    return (
        np.array([brackets[name].band[0] for name in QUANTITIES]),
        np.array([brackets[name].band[1] for name in QUANTITIES]),
        np.array([[getattr(each, name).value for each in certificates] for name in QUANTITIES]),
    )


@pytest.mark.slow
def test_brackets_cover_and_certificates_hold(world, truths, record_property):
    runs = Parallel(n_jobs=2)(delayed(_repeat)(world, seed) for seed in range(REPETITIONS))
    low, high, certificates = (np.array(each) for each in zip(*runs, strict=True))
    truth = np.array([[getattr(each, name) for each in truths] for name in QUANTITIES])
    coverage = ((low <= truth) & (truth <= high)).mean(axis=0)
    misses = (certificates < truth).mean(axis=0)
    record_property("coverage", coverage.tolist())
    record_property("certificate_misses", misses.tolist())
    print("coverage", coverage.tolist(), "certificate misses", misses.tolist())
    assert coverage.min() >= 0.93
    assert misses.max() <= 0.05
    # No coverage by saying nothing: on average the lower limit is a good part of the truth, and the upper one
    # stays well below what is known without data.
    assert (low.mean(axis=0) > 0.25 * truth).all()
    assert high[:, 0].mean(axis=0)[1] < 0.75 * 2 * np.log(2)


@pytest.mark.slow
def test_lower_end_of_the_safety_gap_stays_below_it(world, truths):
    """One-sided at 97.5%: the misses of 60 draws are compatible with that rate (exact binomial limit)."""

    def low_band(seed):
        rng = np.random.default_rng(10_000 + seed)
        drawn = known_sources.domains([source.sample(ROWS, rng) for source in world])
        return safety_curve(three_way(*drawn, seed=seed), PENALTIES, confidence=0.95, seed=seed).band[0]

    repetitions = 60
    low = np.array(Parallel(n_jobs=2)(delayed(low_band)(seed) for seed in range(repetitions)))
    misses = (low > [each.safety_gap for each in truths]).sum(axis=0)
    assert misses.max() <= binom.ppf(0.999, repetitions, 0.025)
    assert low.mean() > 0.5


def test_with_many_rows_and_telling_responses_both_ends_meet_the_truth():
    """5,000 rows, a well-specified classifier, long responses: the two ends are within 10% of the truth."""
    world = known_sources.sources(3, prompt_shift=0.4, response_shift=0.8, seed=3, response_length=120)
    rng = np.random.default_rng(5)
    proxy, capability = known_sources.domains([source.sample(5000, rng) for source in world[1:]])
    brackets = curves(log_ratios(capability, proxy, seed=0), PENALTIES, confidence=0.95, seed=0)
    for at, penalty in enumerate(PENALTIES):
        truth = known_sources.truth(*world, penalty)
        for name in QUANTITIES:
            exact = getattr(truth, name)
            assert brackets[name].lower[at] == pytest.approx(exact, rel=0.1)
            assert brackets[name].upper[at] == pytest.approx(exact, rel=0.1)
