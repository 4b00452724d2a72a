"""Theorem 1 holds for every policy with A1, is tight where it should be, and refuses where A1 fails."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import rel_entr

from tradeoffbounds.bounds import finite_bounds, theorem1
from tradeoffbounds.bounds.bound import PROBABILITY, Bound, exact
from tradeoffbounds.bounds.finite import FiniteProblem

from .random_problems import random_cases, random_policy

pytestmark = pytest.mark.filterwarnings("error")


def safety_gap(problem, policy):
    divergence = rel_entr(problem.mu, policy).sum(axis=1)
    return divergence[problem.D > 0] @ problem.D[problem.D > 0]


def one_prompt(mu, mu_hat, mu_f=None):
    one = np.ones(1)
    mu, mu_hat, mu_f = (np.array([p]) for p in (mu, mu_hat, mu_f or mu_hat))
    return FiniteProblem(one, mu, one, mu_hat, one, mu_f)


def test_paper_bound_holds_for_every_policy_with_bounded_ratios(rng):
    finite = 0
    for problem, _ in random_cases(1500):
        policy = random_policy(rng, problem, floor=0.1)
        bound, gap = finite_bounds.theorem1_paper(problem, policy), safety_gap(problem, policy)
        assert bound.side == "upper"
        assert "A1" in bound.assumptions
        assert bound.value >= gap * (1 - 1e-12)
        finite += math.isfinite(bound.value)
    assert finite > 300


def test_paper_bound_is_the_proxy_gap_where_proxy_is_alignment(rng):
    for problem, _ in random_cases(300):
        problem = replace(problem, D_hat=problem.D, mu_hat=problem.mu)
        policy = random_policy(rng, problem, floor=0.1)
        bound = finite_bounds.theorem1_paper(problem, policy)
        assert bound.value == pytest.approx(problem.proxy_gap(policy), rel=1e-12)
        assert bound.value == pytest.approx(safety_gap(problem, policy), rel=1e-12, abs=1e-15)


def moved_prompts():
    """All of D on a prompt where the policy is wrong, all of D̂ on one where it is right."""
    mu = np.array([[0.9, 0.1], [0.4, 0.6]])
    problem = FiniteProblem(np.array([1.0, 0.0]), mu, np.array([0.0, 1.0]), mu, np.array([0.5, 0.5]), mu)
    return problem, np.array([[0.2, 0.8], [0.4, 0.6]])


def moved_responses(c=1.5):
    """Ratios mû/P of exactly exp(±C), with all of the moved mass on the unfavourable side."""
    low, high = 1 / (1 + math.exp(c)), 1 / (1 + math.exp(-c))
    return one_prompt([1.0, 0.0], [high, low]), np.array([[low, high]])


@pytest.mark.parametrize("extremal", [moved_prompts, moved_responses])
def test_paper_bound_is_attained_by_its_extremal_example(extremal):
    problem, policy = extremal()
    bound = finite_bounds.theorem1_paper(problem, policy)
    assert bound.value == pytest.approx(safety_gap(problem, policy), rel=1e-12)


@pytest.mark.parametrize("understated", ["largest_kl", "largest_log_ratio"])
def test_paper_bound_breaks_when_a_constant_is_understated(understated):
    problem, policy = (moved_prompts if understated == "largest_kl" else moved_responses)()
    gap = safety_gap(problem, policy)
    arguments = {
        "proxy_gap": exact(problem.proxy_gap(policy)),
        "largest_kl": exact(rel_entr(problem.mu, policy).sum(axis=1).max()),
        "prompt_tv": exact(problem.prompt_tv(), unit=PROBABILITY),
        "response_kl": exact(rel_entr(problem.mu, problem.mu_hat).sum()),
        "largest_log_ratio": exact(np.abs(np.log(problem.mu_hat / policy)).max()),
        "response_tv": exact(0.5 * np.abs(problem.mu - problem.mu_hat)[0].sum(), unit=PROBABILITY),
    }
    assert theorem1.paper(**arguments).value == pytest.approx(gap, rel=1e-12)
    arguments[understated] = arguments[understated] * 0.9
    assert theorem1.paper(**arguments).value < 0.99 * gap


@pytest.mark.parametrize("mu", [[0.5, 0.5], [1.0, 0.0]])
@pytest.mark.parametrize("mu_hat", [[0.4, 0.6], [0.0, 1.0]])
def test_a_policy_that_excludes_a_safe_response_gets_infinity_and_the_reason(mu, mu_hat):
    problem = one_prompt(mu, mu_hat)
    bound = finite_bounds.theorem1_paper(problem, np.array([[1.0, 0.0]]))
    assert bound.value == math.inf
    assert bound.status == "vacuous: A1 fails, no finite B and C"


def test_an_infinite_constant_is_vacuous_even_where_its_factor_is_zero():
    ok, infinite = exact(1.0), exact(math.inf)
    for b, c in ((infinite, ok), (ok, infinite)):
        bound = theorem1.paper(ok, b, exact(0.0, unit=PROBABILITY), ok, c, exact(0.0, unit=PROBABILITY))
        assert bound.value == math.inf
        assert bound.status.startswith("vacuous")


def test_an_estimated_constant_makes_the_bound_an_estimate():
    estimate = Bound(1.0, "estimated", assumptions=("A1", "iid"))
    bound = theorem1.paper(
        exact(0.1), estimate, exact(0.2, unit=PROBABILITY), exact(0.1), exact(1.0), exact(0.1, unit=PROBABILITY)
    )
    assert (bound.kind, bound.side, bound.assumptions) == ("estimated", "upper", ("A1", "iid"))
    assert bound.value == pytest.approx(0.1 + 0.2 + 0.1 + 0.2)


def test_the_three_differences_add_up_to_the_safety_gap(rng):
    for problem, _ in random_cases(1500):
        policy = random_policy(rng, problem, floor=0.1)
        parts = theorem1.decompose(problem, policy)
        assert parts.safety_gap == pytest.approx(safety_gap(problem, policy), rel=1e-10, abs=1e-14)


def test_each_difference_is_below_its_own_term(rng):
    compared = 0
    for problem, _ in random_cases(1000):
        policy = random_policy(rng, problem, floor=0.1)
        parts = theorem1.decompose(problem, policy)
        reached = (problem.D > 0) | (problem.D_hat > 0)
        b = rel_entr(problem.mu, policy).sum(axis=1)[reached].max()
        assert abs(parts.prompt_shift) <= b * problem.prompt_tv() + 1e-14
        with np.errstate(divide="ignore"):
            log_ratios = np.abs(np.log(problem.mu_hat / policy))
        on = problem.D_hat > 0
        c = np.max(log_ratios[on], where=(problem.mu > 0)[on] | (problem.mu_hat > 0)[on], initial=0.0)
        if math.isfinite(c):
            moved = np.abs(problem.mu - problem.mu_hat).sum(axis=1)
            shift = rel_entr(problem.mu, problem.mu_hat).sum(axis=1) + c * moved
            assert parts.response_shift <= problem.D_hat[on] @ shift[on] + 1e-14
            compared += 1
    assert compared > 200


def test_an_infinite_gap_has_no_decomposition():
    problem = one_prompt([0.5, 0.5], [0.5, 0.5])
    parts = theorem1.decompose(problem, np.array([[1.0, 0.0]]))
    assert math.isnan(parts.response_shift)
    assert math.isnan(parts.safety_gap)


def test_refined_bound_is_infinite_where_the_proxy_misses_prompts_that_the_fine_tune_reaches():
    even = np.full((2, 2), 0.5)
    half, first = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    for capability, expected in ((half, math.inf), (first, pytest.approx(0.5 * math.log(1 + 1 / 3)))):
        problem = FiniteProblem(D=half, mu=even, D_hat=first, mu_hat=even, D_f=capability, mu_f=even)
        assert finite_bounds.case_one(problem, 3.0)["theorem1.refined"].bound.value == expected


def test_refined_bound_is_attained_by_disjoint_capability_responses():
    # P_λ is (1-w) mû wherever mu looks, so the pointwise inequality is an equality.
    problem = one_prompt([0.3, 0.7, 0.0], [0.6, 0.4, 0.0], [0.0, 0.0, 1.0])
    assert finite_bounds.case_one(problem, 0.7)["theorem1.refined"].tightness == pytest.approx(1.0, rel=1e-12)


def test_both_bounds_tend_to_the_gap_of_the_proxy_as_the_penalty_grows():
    problem = one_prompt([0.3, 0.7], [0.6, 0.4], [0.1, 0.9])
    of_proxy = rel_entr(problem.mu, problem.mu_hat).sum()
    refined = [finite_bounds.case_one(problem, penalty)["theorem1.refined"] for penalty in (1e2, 1e4, 1e6)]
    distances = [check.bound.value - of_proxy for check in refined]
    assert distances == pytest.approx([1e-2, 1e-4, 1e-6], rel=1e-2)  # log(1 + 1/λ) on the one prompt
