"""Every theorem on 10,000 finite problems with zeros and disjoint supports, λ from 1e-6 to 1e6."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from mpmath import mpf
from scipy.special import rel_entr

from tradeoffbounds.bounds import finite_bounds
from tradeoffbounds.bounds.bound import exact
from tradeoffbounds.bounds.finite import FiniteProblem

from .mpmath_twin import Twin
from .random_problems import random_cases, random_policy, random_problem

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def table(unchecked_shapes):
    """What the tests below compare, one row a problem: the package evaluated on all 10,000."""
    rng = np.random.default_rng(1)
    rows, violations = [], []
    for problem, penalty in random_cases(10_000):
        checked = finite_bounds.case_one(problem, penalty)
        violations += [
            (problem, penalty, name) for name, check in checked.items() if not check.holds or math.isnan(check.quantity)
        ]
        capability, proxy = problem.optimal_gaps(penalty)
        policy = random_policy(rng, problem, floor=rng.choice([0.0, 0.1]))
        rows.append(
            {
                "penalty": penalty,
                "capability": capability,
                "proxy": proxy,
                "information": finite_bounds.minimum_by_information(problem, penalty),
                "capability_by_bayes": finite_bounds.capability_gap_by_bayes(problem, penalty),
                "proxy_by_bayes": finite_bounds.proxy_gap_by_bayes(problem, penalty),
                "objective": problem.objective(policy, penalty),
                "excess": problem.excess(policy, penalty),
                "finite_theorem1": math.isfinite(checked["theorem1.paper"].bound.value),
            }
        )
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return columns | {
        "violations": violations,
        "optimum": columns["capability"] + columns["penalty"] * columns["proxy"],
    }


def test_no_bound_lies_below_its_quantity(table):
    assert table["violations"] == []
    assert table["finite_theorem1"].sum() > 1000  # the claim is not empty: A1 holds often enough


def test_the_minimum_is_the_conditional_mutual_information(table):
    assert_same(table["information"], table["optimum"], table["penalty"])


@pytest.mark.parametrize("side", ["capability", "proxy"])
def test_bayes_forms_give_the_gaps(table, side):
    assert np.all(table[side] >= 0)
    np.testing.assert_allclose(table[f"{side}_by_bayes"], table[side], rtol=1e-9, atol=1e-14)


def test_objective_is_the_optimum_plus_the_excess(table):
    infinite = np.isinf(table["objective"])
    assert 0 < infinite.sum() < 5000
    assert_same(table["optimum"] + table["excess"], table["objective"], table["penalty"])


@pytest.mark.parametrize("edge", [None, 1e-6, 1.0, 1e6])
def test_quantities_and_bounds_agree_with_fifty_digits(edge):
    for problem, penalty in random_cases(150):
        penalty = edge or penalty
        twin = Twin(problem, penalty)
        ours = finite_bounds.case_one(problem, penalty)
        for name, (bound, quantity) in twin.bounds.items():
            assert bound >= quantity - mpf("1e-35"), name
            close = {"rel": 1e-9, "abs": 1e-20 * (1 + penalty)}
            assert ours[name].bound.value == pytest.approx(float(bound), **close), name
            assert ours[name].quantity == pytest.approx(float(quantity), **close), name


@pytest.mark.parametrize("penalty", [1e-6, 1e6])
def test_extreme_penalties_give_numbers_and_no_warnings(penalty):
    for problem, _ in random_cases(1000):
        for name, check in finite_bounds.case_one(problem, penalty).items():
            assert not math.isnan(check.quantity), name
            assert check.holds, name
        capability, proxy = problem.optimal_gaps(penalty)
        assert capability >= 0
        assert proxy >= 0
        # E_{D_f} log(1 + λ D̂/D_f) <= λ, and E_{D̂} log(1 + D_f/(λ D̂)) <= 1/λ.
        assert min(capability, proxy) <= 1e-6


def test_gaps_tend_to_the_comparators_at_the_ends():
    for problem in overlapping_problems(200):
        to_f = problem.D_hat @ rel_entr(problem.mu_hat, problem.mu_f).sum(axis=1)
        to_hat = problem.D_f @ rel_entr(problem.mu_f, problem.mu_hat).sum(axis=1)
        free = problem.optimal_gaps(1e-6)
        bound = problem.optimal_gaps(1e6)
        assert free == pytest.approx((0.0, to_f), abs=1e-4)
        assert bound == pytest.approx((to_hat, 0.0), abs=1e-4)
        assert finite_bounds.minimum_by_information(problem, 1e-6) == pytest.approx(1e-6 * to_f, rel=1e-3)
        assert finite_bounds.minimum_by_information(problem, 1e6) == pytest.approx(to_hat, rel=1e-3)


def test_no_policy_on_a_grid_beats_the_pointwise_optimum():
    counts = [(a, b, 40 - a - b) for a, b in itertools.product(range(41), repeat=2) if a + b <= 40]
    grid = np.array(counts) / 40
    rng = np.random.default_rng(2)
    for penalty in (0.1, 1.0, 10.0):
        mu, mu_hat, mu_f = rng.dirichlet(np.ones(3), size=(3, 1))
        one = np.ones(1)
        problem = FiniteProblem(one, mu, one, mu_hat, one, mu_f)
        best = sum(problem.optimal_gaps(penalty) * np.array([1.0, penalty]))
        values = rel_entr(mu_f, grid).sum(axis=1) + penalty * rel_entr(mu_hat, grid).sum(axis=1)
        assert problem.objective(problem.optimal_policy(penalty), penalty) == pytest.approx(best, rel=1e-12)
        assert best <= values.min() <= best + 0.05 * (1 + penalty)


def test_a_trained_prompt_that_neither_source_reaches_keeps_the_proxy_response():
    problem = FiniteProblem(
        D=np.array([0.5, 0.5]), mu=np.array([[1.0, 0.0], [0.0, 1.0]]),
        D_hat=np.array([1.0, 0.0]), mu_hat=np.array([[1.0, 0.0], [0.3, 0.7]]),
        D_f=np.array([1.0, 0.0]), mu_f=np.array([[0.5, 0.5], [0.5, 0.5]]),
    )  # fmt: skip
    np.testing.assert_array_equal(problem.optimal_policy(2.0)[1], [0.3, 0.7])
    assert np.isnan(problem.prompt_logits(2.0)[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"D": np.ones(3) / 3}, r"`D` must have shape \(2,\), got \(3,\)"),
        ({"mu_f": np.ones((2, 3)) / 3}, r"`mu_f` must have shape \(2, 2\), got \(2, 3\)"),
        ({"D_f": np.array([1.5, -0.5])}, "`D_f` must hold finite probabilities"),
        ({"mu": np.array([[np.nan, 1.0], [0.5, 0.5]])}, "`mu` must hold finite probabilities"),
        ({"mu_hat": np.array([[0.5, 0.4], [0.5, 0.5]])}, "`mu_hat` must sum to 1"),
    ],
)
def test_tables_that_are_no_distributions_are_refused(unchecked_shapes, change, message):
    half, halves = np.full(2, 0.5), np.full((2, 2), 0.5)
    problem = FiniteProblem(half, halves, half, halves, half, halves)
    with pytest.raises(ValueError, match=message):
        replace(problem, **change)


@pytest.mark.parametrize(
    ("bound", "quantity", "holds", "tightness"),
    [
        (1.0, 2.0, False, 0.5),
        (2.0 * (1 - 1e-8), 2.0, False, 1 - 1e-8),
        (2.0 * (1 - 1e-10), 2.0, True, 1 - 1e-10),
        (0.0, 0.0, True, 1.0),
        (0.1, 0.0, True, math.inf),
        (math.inf, 1.0, True, math.inf),
        (1.0, math.inf, False, 0.0),
    ],
)
def test_a_violation_is_called_one(bound, quantity, holds, tightness):
    check = finite_bounds.Checked(exact(bound, side="upper"), quantity)
    assert check.holds is holds
    assert check.tightness == pytest.approx(tightness, rel=1e-12)


@pytest.mark.parametrize("penalty", [0.0, -1.0, math.nan, math.inf])
def test_a_penalty_that_is_not_positive_is_refused(rng, penalty):
    problem = random_problem(rng)
    for call in (problem.optimal_policy, problem.joint, lambda p: problem.objective(problem.mu, p)):
        with pytest.raises(ValueError, match="`penalty` must be finite and > 0"):
            call(penalty)


def assert_same(ours, theirs, penalty):
    # Doubles round probabilities in the last digit, of which a divergence makes ~1e-32 out of nothing.
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(np.isfinite(ours), finite)
    tolerance = 1e-9 * np.abs(theirs) + 1e-24 * (1 + penalty)
    assert np.all(np.abs(ours[finite] - theirs[finite]) <= tolerance[finite])


def overlapping_problems(count: int):
    """Problems without zeros or small probabilities: λ = 1e-6 and 1e6 are the ends there."""
    rng = np.random.default_rng(3)
    for _ in range(count):
        prompts = rng.dirichlet(np.full(4, 10.0), size=3)
        responses = rng.dirichlet(np.full(3, 10.0), size=(3, 4))
        yield FiniteProblem(prompts[0], responses[0], prompts[1], responses[1], prompts[2], responses[2])
