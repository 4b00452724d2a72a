"""The closed form of P_λ is what gradient descent on the objective finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import rel_entr

from tradeoffbounds.bounds import softmax_policy

from .random_problems import random_cases, random_problem, union


@pytest.fixture(scope="module")
def trained():
    """All 10,000 problems as one, so that training compiles and runs once."""
    problem, penalty, members = union(random_cases(10_000))
    return problem, penalty, members, softmax_policy.train(problem, penalty)


def test_training_reaches_the_pointwise_optimum_on_every_reached_prompt(trained):
    _, _, members, policy = trained
    optimum = np.zeros_like(policy)
    for number, (problem, penalty) in enumerate(random_cases(10_000)):
        own = problem.optimal_policy(penalty)
        optimum[members == number, : own.shape[1]] = own
    problem = trained[0]
    reached = (problem.D_f > 0) | (problem.D_hat > 0)
    divergence = rel_entr(optimum, policy).sum(axis=1)[reached]
    assert len(divergence) > 25_000
    assert divergence.max() <= 1e-6


def test_trained_policies_are_distributions(trained):
    policy = trained[3]
    assert policy.dtype == np.float64
    assert np.all(policy >= 0)
    np.testing.assert_allclose(policy.sum(axis=1), 1.0, rtol=1e-12)


def test_prompts_that_neither_source_reaches_stay_uniform(trained):
    problem, _, _, policy = trained
    free = (problem.D_f == 0) & (problem.D_hat == 0)
    assert free.sum() > 100
    np.testing.assert_allclose(policy[free], 1 / policy.shape[1], rtol=1e-12)


def test_the_trained_objective_exceeds_the_minimum_by_its_excess(rng):
    for _ in range(5):
        problem = random_problem(rng)
        policy = softmax_policy.train(problem, 2.0, steps=20)  # stopped early, so that there is an excess
        capability, proxy = problem.optimal_gaps(2.0)
        excess = problem.objective(policy, 2.0) - capability - 2.0 * proxy
        assert excess == pytest.approx(problem.excess(policy, 2.0), rel=1e-6, abs=1e-12)
        assert excess >= 0


def test_training_is_deterministic(rng):
    problem = random_problem(rng)
    np.testing.assert_array_equal(softmax_policy.train(problem, 0.3), softmax_policy.train(problem, 0.3))
