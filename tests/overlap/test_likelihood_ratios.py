"""Exact gaps from likelihoods, against a problem small enough to enumerate."""

import numpy as np
import pytest

from tradeoffbounds.bounds.finite import FiniteProblem
from tradeoffbounds.overlap.likelihood_ratios import Likelihoods, exact_gaps

PENALTIES = (1e-6, 0.3, 1.0, 1e6)


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
        y = np.array([rng.choice(6, p=own[i]) for i in x])
        return np.column_stack([np.log(table[x, y]) for table in tables])

    return Likelihoods(*(rows(table) for table in tables))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_sampled_gaps_cover_the_enumerated_ones(problem, penalty):
    gaps = exact_gaps(_likelihoods(problem, 4000), penalty, confidence=0.999)
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
