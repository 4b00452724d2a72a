"""Exact gaps from likelihoods, against a problem small enough to enumerate."""

import numpy as np
import pytest

from tradeoffbounds.bounds.finite import FiniteProblem
from tradeoffbounds.overlap.likelihood_ratios import Likelihoods, exact_gaps

PENALTIES = (0.1, 0.3, 1.0, 10.0)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    prompts = rng.dirichlet(np.ones(4))
    responses = [rng.dirichlet(np.ones(6), size=4) for _ in range(3)]
    return FiniteProblem(prompts, responses[0], prompts, responses[1], prompts, responses[2])


def _likelihoods(problem, n):
    rng = np.random.default_rng(1)
    tables = [problem.mu, problem.mu_hat, problem.mu_f]

    def rows(own):
        x = rng.choice(4, size=n, p=problem.D)
        y = (own[x].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        return np.column_stack([np.log(table[x, y]) for table in tables])

    return Likelihoods(*(rows(table) for table in tables))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_sampled_gaps_cover_the_enumerated_ones(problem, penalty):
    gaps = exact_gaps(_likelihoods(problem, 50_000), penalty, confidence=0.999)
    policy = problem.optimal_policy(penalty)
    capability, proxy = problem.optimal_gaps(penalty)
    exact = {
        "safety_gap": problem.safety_gap(policy), "proxy_gap": proxy, "capability_gap": capability,
        "total": capability + penalty * proxy,
    }  # fmt: skip
    for name, truth in exact.items():
        low, high = gaps[name].interval
        assert low - 1e-12 <= truth <= high + 1e-12, name
        assert gaps[name].kind == "predicted"


def test_extreme_penalties_reach_their_limits(problem):
    """λ -> 0: the capability gap vanishes; λ -> inf: the proxy gap does, and the capability gap is KL(μ_f|μ̂)."""
    likelihoods = _likelihoods(problem, 4000)
    tiny, huge = (exact_gaps(likelihoods, penalty, confidence=0.95) for penalty in (1e-6, 1e6))
    assert abs(tiny["capability_gap"].value) < 1e-5
    assert abs(huge["proxy_gap"].value) < 1e-5
    divergence = (likelihoods.capability[:, 2] - likelihoods.capability[:, 1]).mean()
    assert huge["capability_gap"].value == pytest.approx(divergence, rel=1e-4)
