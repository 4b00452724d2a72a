"""Certificates: independence of the split, vacuous where they must be, and the search for a penalty."""

import numpy as np
import pytest

from tradeoffbounds.bounds.classifier_bound import trivial_proxy, trivial_total
from tradeoffbounds.overlap.certificate import HeldOut, certify, hold_out, smallest_penalty
from tradeoffbounds.overlap.domain import Domain

from . import known_sources


@pytest.fixture(scope="module")
def domains():
    world = known_sources.sources(2, prompt_shift=1.5, response_shift=0.4, seed=3)
    rng = np.random.default_rng(0)
    return known_sources.domains([source.sample(300, rng) for source in world])


def test_half_of_each_source_is_held_out(domains):
    held_out = hold_out(*domains, seed=0)
    assert [len(held_out.first), len(held_out.second), *map(len, held_out.chosen_on)] == [150] * 4


def _misses(rows, order):
    """Certificates below the truth in 25 draws of easy and hard capability prompts, half of each."""
    proxy, capability = known_sources.sources(2, prompt_shift=0.6, response_shift=0.4, seed=3)
    misses = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        easy = capability.sample(rows // 2, rng)[0]
        hard = proxy.sample(rows // 2, rng)[0]
        counts = np.vstack([easy, hard])[order(rng, rows)].astype(float)
        other = proxy.sample(rows, rng)[0].astype(float)
        numbers = np.arange(rows)
        first = Domain({"counts": counts}, {}, numbers)
        second = Domain({"counts": other}, {}, numbers + rows)
        (certificate,) = certify(hold_out(first, second, seed=seed), [1.0], confidence=0.95)
        misses += certificate.total.value < _truth(proxy, capability)
    return misses


def _truth(proxy, capability):
    """E_f log 1/w + E_p log 1/(1-w) for D_f half capability, half proxy, by Monte Carlo on known densities."""
    rng = np.random.default_rng(0)

    def log_density_ratio(x):
        ratio = known_sources.log_ratio(capability.prompt_words, proxy.prompt_words, x)
        return np.logaddexp(ratio, 0) - np.log(2)

    of_f = np.concatenate([log_density_ratio(source.sample(50_000, rng)[0]) for source in (capability, proxy)])
    of_p = log_density_ratio(proxy.sample(100_000, rng)[0])
    return np.logaddexp(0, -of_f).mean() + np.logaddexp(0, of_p).mean()


@pytest.mark.parametrize(
    "order", [lambda rng, n: np.arange(n), lambda rng, n: rng.permutation(n)], ids=["sorted", "mixed"]
)
def test_certificates_hold_for_files_sorted_by_difficulty(order):
    """Betting looks at rows one by one: without shuffling, easy rows first would certify far too little."""
    assert _misses(200, order) <= 4


def test_certificates_hold_where_a_prompt_repeats():
    """Half of either source is one common prompt, so the truth is near its half of log 4."""
    misses = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        parts = []
        for source, start in ((1.0, 1), (-1.0, 1000)):
            common = rng.random(200) < 0.5
            counts = np.where(common[:, None], 0.0, source * np.ones((200, 2)))
            parts.append(Domain({"counts": counts}, {}, np.where(common, 0, start + np.arange(200))))
        (certificate,) = certify(hold_out(*parts, seed=seed), [1.0], confidence=0.95)
        misses += certificate.total.value < np.log(2)
    assert misses <= 4


def test_separate_prompts_are_certified_far_below_the_trivial_bound(domains):
    (certificate,) = certify(hold_out(*domains, seed=0), [1.0], confidence=0.95)
    assert certificate.total.kind == "certified"
    assert certificate.classifier_bound.value < certificate.total.value < 0.5 * trivial_total(1.0)
    assert certificate.capability_gap.value + certificate.proxy_gap.value >= certificate.classifier_bound.value


def test_shared_prompts_certify_nothing_and_say_so(domains):
    (certificate,) = certify(hold_out(domains[0], domains[0], seed=0), [1.0], confidence=0.95)
    assert certificate.total.value == pytest.approx(trivial_total(1.0))
    assert certificate.total.status.startswith("vacuous")


def test_more_confidence_certifies_less(domains):
    held_out = hold_out(*domains, seed=0)
    values = [certify(held_out, [1.0], confidence=level)[0].total.value for level in (0.5, 0.9, 0.99)]
    assert values == sorted(values)
    assert values[0] < values[-1]


@pytest.mark.parametrize("penalty", [1e-6, 1e-3, 1e3, 1e6])
def test_extreme_penalties_stay_finite_and_below_the_trivial_bound(domains, penalty):
    (certificate,) = certify(hold_out(*domains, seed=0), [penalty], confidence=0.95)
    for bound in (certificate.total, certificate.capability_gap, certificate.proxy_gap, certificate.classifier_bound):
        assert 0 <= bound.value < np.inf
    assert certificate.total.value <= trivial_total(penalty) * (1 + 1e-9)


def test_the_smallest_penalty_is_where_the_certificate_first_passes(domains):
    held_out = hold_out(*domains, seed=0)
    grid = np.logspace(-2, 3, 21)
    start = smallest_penalty(held_out, 0.05, grid, confidence=0.95)
    assert start is not None
    values = [each.proxy_gap.value for each in certify(held_out, grid, confidence=0.95)]
    passing = [value <= 0.05 for value in values]
    assert all(passed for penalty, passed in zip(grid, passing, strict=True) if penalty >= start)
    assert not passing[list(grid).index(start) - 1]
    assert smallest_penalty(held_out, 1e-9, grid, confidence=0.95) is None


def test_a_useless_classifier_costs_no_more_than_knowing_nothing():
    noise = np.random.default_rng(0).normal(scale=6, size=(2, 100))
    held_out = HeldOut(noise[0], noise[1], (noise[0], noise[1]))
    for penalty in (0.1, 1.0, 10.0):
        (certificate,) = certify(held_out, [penalty], confidence=0.95)
        assert certificate.classifier_bound.value <= trivial_total(penalty)
        assert certificate.proxy_gap.value <= trivial_proxy(penalty)
