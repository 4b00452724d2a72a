"""Theorem 4 from logits: Bayes forms, prior shifts at extreme penalties, the mixture and the minimum."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from tradeoffbounds.bounds import theorem4
from tradeoffbounds.bounds.bound import Bound, exact

from .mpmath_twin import Twin
from .random_problems import random_cases

pytestmark = pytest.mark.filterwarnings("error")
PENALTIES = (1e-6, 0.3, 1.0, 1e6)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("source", ["capability", "proxy"])
def test_prior_shift_is_the_log_posterior_at_the_new_prior(penalty, source):
    logits = np.array([-800.0, -40.0, -1.0, 0.0, 2.0, 40.0, 800.0])
    odds = [mpmath.exp(mpf(logit)) / mpf(penalty) for logit in logits]
    exact_logs = [mpmath.log(odd / (1 + odd) if source == "capability" else 1 / (1 + odd)) for odd in odds]
    np.testing.assert_allclose(
        theorem4.prior_shift(logits, penalty, source), [float(value) for value in exact_logs], rtol=1e-12
    )


def test_prior_shift_of_certainty_is_certain():
    ends = np.array([-np.inf, np.inf])
    np.testing.assert_array_equal(theorem4.prior_shift(ends, 2.0, "capability"), [-np.inf, 0.0])
    np.testing.assert_array_equal(theorem4.prior_shift(ends, 2.0, "proxy"), [0.0, -np.inf])


@pytest.mark.parametrize("penalty", PENALTIES)
def test_bayes_terms_average_to_the_gaps_of_the_closed_form(rng, penalty):
    D_hat, D_f = rng.dirichlet(np.ones(4), size=2)
    mu_hat, mu_f = rng.dirichlet(np.ones(3), size=(2, 4))
    w = D_f / (D_f + penalty * D_hat)
    v = penalty * D_hat / (D_f + penalty * D_hat)
    policy = w[:, None] * mu_f + v[:, None] * mu_hat
    prompts = np.repeat(np.log(D_f / D_hat), 3)
    pairs = prompts + np.log(mu_f / mu_hat).ravel()
    capability = (D_f[:, None] * mu_f).ravel() @ theorem4.capability_gap(pairs, prompts, penalty)
    proxy = (D_hat[:, None] * mu_hat).ravel() @ theorem4.proxy_gap(pairs, prompts, penalty)
    assert capability == pytest.approx(np.sum(D_f[:, None] * mu_f * np.log(mu_f / policy)), rel=1e-9, abs=1e-14)
    assert proxy == pytest.approx(np.sum(D_hat[:, None] * mu_hat * np.log(mu_hat / policy)), rel=1e-9, abs=1e-14)


def test_log_mixture_is_the_log_of_the_pointwise_optimum():
    for problem, penalty in random_cases(200):
        twin = Twin(problem, penalty)
        on = (problem.D_f > 0) | (problem.D_hat > 0)
        with np.errstate(divide="ignore"):
            log_f, log_hat = np.log(problem.mu_f), np.log(problem.mu_hat)
            logits = np.log(problem.D_f[on]) - np.log(problem.D_hat[on])
        expected = [float(mpmath.log(p)) if p > 0 else -math.inf for row in np.array(twin.policy)[on] for p in row]
        logits = np.repeat(logits, log_f.shape[1])
        ours = theorem4.log_mixture(log_f[on].ravel(), log_hat[on].ravel(), logits, penalty)
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_minimum_is_the_information_between_source_and_response(penalty):
    prompt, pair = exact(0.6), exact(0.25)
    minimum = theorem4.minimum(penalty, prompt, pair)
    assert minimum.value == pytest.approx((1 + penalty) * 0.35)
    assert (minimum.kind, minimum.side, minimum.theorem) == ("certified", "value", "theorem 4")


def test_a_cross_entropy_of_responses_gives_a_lower_bound():
    cross_entropy = Bound(0.4, "certified", "upper", interval=(0.3, 0.5), confidence=0.95)
    minimum = theorem4.minimum(1.0, exact(0.6), cross_entropy)
    assert minimum.side == "lower"
    assert minimum.value == pytest.approx(0.4)
    assert minimum.interval == pytest.approx((0.2, 0.6))


def test_two_cross_entropies_bound_nothing():
    with pytest.raises(TypeError, match="do not add up to a bound"):
        theorem4.minimum(1.0, exact(0.6, side="upper"), exact(0.4, side="upper"))
