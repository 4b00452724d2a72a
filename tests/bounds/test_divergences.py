"""Divergences against scipy and 50-digit sums, on zeros, disjoint supports and near-equal distributions."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from tradeoffbounds.bounds.divergences import (
    conditional_mutual_information,
    jensen_shannon,
    kl,
    kl_to_mixture,
    total_variation,
)

from . import mpmath_twin as twin
from .random_problems import random_distributions

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def pairs(rng):
    """Many p and q along the first axis, with zeros and point masses."""
    return [(random_distributions(rng, (5, y)), random_distributions(rng, (5, y))) for y in (1, 2, 3, 6, 40) * 40]


def test_kl_is_scipy_entropy(pairs):
    for p, q in pairs:
        np.testing.assert_allclose(kl(p, q), entropy(p, q, axis=-1), rtol=1e-12, atol=1e-15)


def test_kl_of_near_equal_distributions_keeps_its_digits(rng):
    for step in 10.0 ** -np.arange(1, 9):
        p = rng.dirichlet(np.full(5, 5.0))
        q = (1 - step) * p + step / 5
        # The same doubles, taken as exact: unnormalised sums need the two correcting terms.
        exact = mpmath.fsum(mpf(a) * mpmath.log(mpf(a) / mpf(b)) - mpf(a) + mpf(b) for a, b in zip(p, q, strict=True))
        assert kl(p, q) == pytest.approx(float(exact), rel=1e-6, abs=0)


def test_kl_is_infinite_exactly_where_q_misses_p():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([1.0, 0.0, 0.0])
    assert kl(p, q) == np.inf
    assert kl(q, p) == pytest.approx(np.log(2))
    assert kl(p, p) == 0.0


def test_kl_is_never_negative(pairs):
    for p, q in pairs:
        assert np.all(kl(p, q) >= 0)
        assert np.all(kl(p, p * (1 + 1e-16)) >= 0)


def test_total_variation_is_the_largest_difference_of_an_event(rng):
    for _ in range(50):
        p, q = random_distributions(rng, (2, 6))
        events = (np.arange(64)[:, None] >> np.arange(6)) & 1
        assert total_variation(p, q) == pytest.approx(np.max(events @ (p - q)), abs=1e-15)


def test_total_variation_of_disjoint_distributions_is_one():
    assert total_variation(np.array([0.3, 0.7, 0.0]), np.array([0.0, 0.0, 1.0])) == pytest.approx(1.0)


def test_even_jensen_shannon_is_scipys_distance_squared(pairs):
    for p, q in pairs:
        np.testing.assert_allclose(jensen_shannon(p, q), jensenshannon(p, q, axis=-1) ** 2, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("weight", [1e-8, 0.1, 0.5, 0.999])
def test_weighted_jensen_shannon_of_disjoint_distributions_is_the_entropy_of_the_coin(weight):
    p, q = np.array([0.2, 0.8, 0.0]), np.array([0.0, 0.0, 1.0])
    coin = entropy([weight, 1 - weight])
    assert jensen_shannon(p, q, weight) == pytest.approx(coin, rel=1e-12)
    assert jensen_shannon(p, p, weight) == 0.0


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_jensen_shannon_refuses_a_weight_outside_the_unit_interval(weight):
    with pytest.raises(ValueError, match=r"`weight` must be in \[0, 1\]"):
        jensen_shannon(np.ones(1), np.ones(1), weight)


@pytest.mark.parametrize("weight", [0.5, 1e-3, 1e-9, 1e-15])
def test_kl_to_a_mixture_has_full_relative_precision(rng, weight):
    weights = np.array([1 - weight, weight])
    for _ in range(100):
        p, q = random_distributions(rng, (2, 4))
        exact_p, exact_q = twin.distributions(p), twin.distributions(q)
        mixture = twin.mixture(1 - mpf(weight), exact_p, mpf(weight), exact_q)
        exact = [float(twin.kl(exact_p, mixture)), float(twin.kl(exact_q, mixture))]
        assert kl_to_mixture(np.stack([p, q]), weights) == pytest.approx(exact, rel=1e-9, abs=1e-30)


def test_conditional_mutual_information_is_the_difference_of_entropies(rng):
    for _ in range(200):
        z, x, y = rng.integers(1, 5, size=3)
        joint = random_distributions(rng, (z * x * y,)).reshape(z, x, y)
        z_given_x = entropy(joint.sum(axis=2).ravel()) - entropy(joint.sum(axis=(0, 2)))
        z_given_pair = entropy(joint.ravel()) - entropy(joint.sum(axis=0).ravel())
        assert conditional_mutual_information(joint) == pytest.approx(z_given_x - z_given_pair, rel=1e-9, abs=1e-14)


def test_conditional_mutual_information_of_independent_tables_is_zero(rng):
    z, x, y = (rng.dirichlet(np.ones(3)) for _ in range(3))
    assert conditional_mutual_information(np.einsum("i,j,k->ijk", z, x, y)) == pytest.approx(0.0, abs=1e-30)
