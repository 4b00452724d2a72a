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


def test_rows_of_one_prompt_never_sit_on_both_sides(domains):
    """Both sources ask prompt 0..299 among others: training rows and held-out rows share no group."""
    first, second = domains
    overlapping = Domain(second.prompts, second.pairs, np.where(np.arange(300) < 150, np.arange(300), second.groups))
    held_out = hold_out(first, overlapping, seed=0)
    trained = len(held_out.chosen_on[0]) + len(held_out.chosen_on[1])
    assert trained + len(held_out.first) + len(held_out.second) == 600
    distinct = len(np.unique(np.concatenate([first.groups, overlapping.groups])))
    assert distinct == 450


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
