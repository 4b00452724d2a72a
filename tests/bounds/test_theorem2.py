"""Theorem 2: four bounds on the capability gap and three on the proxy gap, with and without slack."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import rel_entr

from tradeoffbounds.bounds import finite_bounds, theorem2
from tradeoffbounds.bounds.bound import Bound, exact
from tradeoffbounds.bounds.finite import FiniteProblem

from .random_problems import random_cases, random_policy

pytestmark = pytest.mark.filterwarnings("error")
CAPABILITY = ("theorem2.paper", "theorem2.b", "theorem2.c", "theorem2.d", "theorem2.refined")


def expected_kl(prompts, p, q):
    on = prompts > 0
    return prompts[on] @ rel_entr(p, q).sum(axis=1)[on]


def one_prompt(mu_hat, mu_f):
    one, mu_hat, mu_f = np.ones(1), np.array([mu_hat]), np.array([mu_f])
    return FiniteProblem(one, mu_hat, one, mu_hat, one, mu_f)


def inputs(problem, penalty):
    """The arguments of ``theorem2.refined``, by scipy."""
    on = (problem.D_hat > 0) & (problem.D_f > 0)
    with np.errstate(divide="ignore"):
        cost = np.log1p(penalty * problem.D_hat[problem.D_f > 0] / problem.D_f[problem.D_f > 0])
    optimum = problem.optimal_policy(penalty)
    minimum = expected_kl(problem.D_f, problem.mu_f, optimum) + penalty * expected_kl(
        problem.D_hat, problem.mu_hat, optimum
    )
    return {
        "penalty": penalty,
        "proxy_divergence": exact(expected_kl(problem.D_hat * on, problem.mu_hat, problem.mu_f)),
        "capability_divergence": exact(expected_kl(problem.D_f * on, problem.mu_f, problem.mu_hat)),
        "prompt_cost": exact(problem.D_f[problem.D_f > 0] @ cost),
        "minimum": exact(minimum),
    }


def test_every_variant_bounds_the_capability_gap():
    for problem, penalty in random_cases(1000):
        gap = expected_kl(problem.D_f, problem.mu_f, problem.optimal_policy(penalty))
        checks = finite_bounds.case_one(problem, penalty)
        for name in CAPABILITY:
            bound = checks[name].bound
            assert bound.value >= gap * (1 - 1e-12) - 1e-14, name
            assert (bound.kind, bound.side) == ("certified", "upper")
            assert "A2" in bound.assumptions


def test_refined_is_the_smallest_of_the_four_and_names_it():
    winners = set()
    for problem, penalty in random_cases(1000):
        bounds = {name: check.bound for name, check in finite_bounds.case_one(problem, penalty).items()}
        *variants, refined = (bounds[name] for name in CAPABILITY)
        assert refined.value == min(bound.value for bound in variants)
        paper, b, _, d = (bound.value for bound in variants)
        assert d <= min(paper, b) * (1 + 1e-9) + 1e-14  # their comparators cannot beat the minimum itself
        winners.add(refined.theorem.rpartition("= ")[2])
    assert {"theorem 2 (c)", "theorem 2 (d)"} <= winners


def test_proxy_side_bounds_the_proxy_gap_at_every_penalty():
    for problem, penalty in random_cases(1000):
        gap = expected_kl(problem.D_hat, problem.mu_hat, problem.optimal_policy(penalty))
        bound = finite_bounds.case_one(problem, penalty)["theorem2.proxy"].bound
        overlap = problem.D_f[problem.D_hat > 0].sum()
        assert gap * (1 - 1e-12) - 1e-14 <= bound.value
        assert bound.value <= min(overlap / penalty, math.log1p(1 / penalty)) * (1 + 1e-9)


def test_variants_are_tight_where_their_comparator_is_optimal():
    problem = one_prompt([0.3, 0.7], [0.6, 0.4])
    cheap, dear = (finite_bounds.case_one(problem, penalty) for penalty in (1e-6, 1e6))
    assert dear["theorem2.b"].tightness == pytest.approx(1.0, abs=1e-4)  # μ̂ is where λ -> inf leads
    assert cheap["theorem2.proxy"].tightness == pytest.approx(1.0, abs=1e-4)  # and μ_f where λ -> 0 does
    assert cheap["theorem2.d"].bound.value == pytest.approx(cheap["theorem2.paper"].bound.value, rel=1e-4)


@pytest.mark.parametrize("penalty", [1e-6, 0.3, 1.0, 1e6])
def test_prompts_alone_is_exact_where_responses_are_disjoint(penalty):
    checks = finite_bounds.case_one(one_prompt([0.0, 1.0], [1.0, 0.0]), penalty)
    assert checks["theorem2.c"].bound.value == pytest.approx(math.log1p(penalty), rel=1e-12)
    assert checks["theorem2.c"].tightness == pytest.approx(1.0, rel=1e-9)
    assert checks["theorem2.paper"].bound.value == checks["theorem2.b"].bound.value == math.inf


def test_bounds_hold_for_any_policy_with_its_excess_as_slack(rng):
    compared = 0
    for problem, penalty in random_cases(1000):
        policy = random_policy(rng, problem, floor=0.1)
        slack, gap = problem.excess(policy, penalty), expected_kl(problem.D_f, problem.mu_f, policy)
        if slack > 1e-12:
            bound = theorem2.refined(**inputs(problem, penalty), slack=exact(slack))
            assert bound.value >= gap * (1 - 1e-9)
            compared += 1
    assert compared > 500


@pytest.mark.parametrize("delta", [0.05, 0.1])
def test_prompts_alone_fails_for_a_policy_with_slack_and_is_dropped(delta):
    """A policy of excess exactly δ moves from P_λ towards μ̂: it trades proxy gap for capability gap."""
    penalty, problem = 1.0, one_prompt([0.01, 0.99], [0.99, 0.01])
    optimum = problem.optimal_policy(penalty)

    def policy(t):
        return (1 - t) * optimum + t * problem.mu_hat

    def excess(t):
        return 2 * rel_entr(optimum, policy(t)).sum()  # D_f + λ D̂ = 2

    trading = policy(brentq(lambda t: excess(t) - delta, 0.0, 1.0, xtol=1e-15))
    assert problem.excess(trading, penalty) == pytest.approx(delta, rel=1e-9)
    gap = expected_kl(problem.D_f, problem.mu_f, trading)
    arguments = inputs(problem, penalty)
    assert gap > theorem2.prompts_alone(arguments["prompt_cost"]).value + delta  # even adding δ is no rescue
    bound = theorem2.refined(**arguments, slack=exact(delta))
    assert "(c)" not in bound.theorem
    assert bound.value >= gap
    assert "(c)" in theorem2.refined(**arguments).theorem


def test_slack_adds_to_every_variant_that_takes_it():
    slack, one = exact(0.25), exact(1.0)
    assert theorem2.paper(2.0, one, slack).value == 2.25
    assert theorem2.proxy_comparator(one, slack).value == 1.25
    assert theorem2.trade_off_value(one, slack).value == 1.25


def test_a_measured_slack_leaves_no_certificate():
    measured = Bound(0.0, "measured", interval=(0.0, 0.1), confidence=0.95, method="bootstrap")
    for bound in (
        theorem2.paper(2.0, exact(1.0), measured),
        theorem2.refined(2.0, exact(1.0), exact(1.0), exact(0.1), exact(1.0), measured),
    ):
        assert bound.kind == "measured"
        assert bound.value == 1.0 or "(c)" not in bound.theorem


def test_a_negative_slack_is_refused():
    with pytest.raises(ValueError, match=r"`slack` is an excess over a minimum, hence >= 0; got -0\.1"):
        theorem2.paper(2.0, exact(1.0), exact(-0.1))


def test_divergences_known_only_from_below_stay_out_of_the_minimum():
    bound = theorem2.refined(1.0, None, None, exact(0.7), exact(0.9))
    assert bound.value == 0.7
    assert theorem2.refined(1.0, None, exact(0.1), exact(0.7), exact(0.9)).value == 0.1
    assert theorem2.refined(1.0, exact(0.2), None, exact(0.7), exact(0.9)).value == 0.2
