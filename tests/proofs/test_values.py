"""The code computes what Coq proved: the same problems, from the same rational tables, to the last digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import xlogy

from tradeoffbounds.bounds import classifier_bound, linear_softmax, theorem1, theorem3, theorem4
from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, exact
from tradeoffbounds.bounds.divergences import conditional_mutual_information, kl
from tradeoffbounds.bounds.finite import FiniteProblem, expectation
from tradeoffbounds.bounds.finite_bounds import (
    capability_gap_by_bayes,
    case_one,
    minimum_by_information,
    proxy_gap_by_bayes,
    theorem1_paper,
)
from tradeoffbounds.comparison.observed import preference

from .coq_files import tables, values

TABLES = {name: np.array(table) for name, table in tables().items()}
LAM = float(TABLES["lam"])
PROBLEM = FiniteProblem(
    D=TABLES["D"], mu=TABLES["mu"], D_hat=TABLES["Dh"], mu_hat=TABLES["muh"], D_f=TABLES["Df"], mu_f=TABLES["muf"]
)
BEST = PROBLEM.optimal_policy(LAM)
CHECKED = {name: checked.bound.value for name, checked in case_one(PROBLEM, LAM).items()}


def logits(probabilities: np.ndarray) -> np.ndarray:
    """Of a classifier that was made for λ, at λ = 1 as the code takes them."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(probabilities) - np.log1p(-probabilities) + np.log(LAM))


def prompt_loss(loss: classifier_bound.LossFunction) -> float:
    terms = loss(logits(TABLES["q"]), logits(TABLES["q"]), LAM)
    return expectation(PROBLEM.D_f, terms.capability) + expectation(PROBLEM.D_hat, terms.proxy)


def pair_loss(loss: classifier_bound.LossFunction) -> float:
    terms = loss(logits(TABLES["s"]).ravel(), logits(TABLES["s"]).ravel(), LAM)
    capability, proxy = (JOINT[z].ravel() for z in (0, 1))
    return (1 + LAM) * (expectation(capability, terms.capability) + expectation(proxy, terms.proxy) / LAM)


def entropy(of: np.ndarray, given: np.ndarray) -> float:
    """-Σ of log(of/given)"""
    return -float(xlogy(of, np.divide(of, given, out=np.ones_like(of), where=given > 0)).sum())


def cross_entropy() -> float:
    guesses = np.stack([TABLES["s"], 1 - TABLES["s"]])
    return -float(xlogy(JOINT, np.where(JOINT > 0, guesses, 1.0)).sum())


def preferences() -> dict[str, Any]:
    """Rows with the frequencies D μ, which are multiples of 1/4: prompt 0 twice with response 1, prompt 1 with both."""
    prompts, responses = np.array([0, 0, 1, 1]), np.array([1, 1, 0, 1])
    losses, start_losses = (-np.log(policy[prompts, responses]) for policy in (TABLES["P"], TABLES["Pref"]))
    return preference(losses, start_losses, float(TABLES["beta"]), 0.95)


JOINT = PROBLEM.joint(LAM)
PROMPT_ENTROPY = entropy(JOINT.sum(axis=2), JOINT.sum(axis=(0, 2)) * np.ones((2, 1)))
PAIR_ENTROPY = entropy(JOINT, JOINT.sum(axis=0) * np.ones((2, 1, 1)))

#: Case II: G_s(θ) = 3θ + 2θ², G_f(θ) = -3θ + 2θ² at 0, within the radius; the limit on G_s is 2.
START, RADIUS, LIMIT = exact(0.0), float(TABLES["radius"]), 2.0
SLOPE, STEEPEST, CURVATURE = exact(3.0, unit=PER_UNIT), exact(5.0, unit=PER_UNIT), exact(4.0, unit=PER_UNIT_SQUARED)
#: An output head at W = 0 for one token with one feature that is 1.
TARGET, HALF = np.array([3 / 4, 1 / 4]), np.array([1 / 2, 1 / 2])

#: By name without ``value_``.
COMPUTED: dict[str, Callable[[], float]] = {
    "safety_gap": lambda: PROBLEM.safety_gap(BEST),
    "proxy_gap": lambda: PROBLEM.optimal_gaps(LAM)[1],
    "capability_gap": lambda: PROBLEM.optimal_gaps(LAM)[0],
    "objective": lambda: PROBLEM.objective(BEST, LAM),
    "excess": lambda: PROBLEM.excess(TABLES["P"], LAM),
    "excess_objective": lambda: PROBLEM.objective(TABLES["P"], LAM),
    "prompt_shift": lambda: theorem1.decompose(PROBLEM, BEST).prompt_shift,
    "response_shift": lambda: theorem1.decompose(PROBLEM, BEST).response_shift,
    "theorem1_paper": lambda: theorem1_paper(PROBLEM, BEST).value,
    "theorem1_refined": lambda: CHECKED["theorem1.refined"],
    "theorem2_a": lambda: CHECKED["theorem2.paper"],
    "theorem2_b": lambda: CHECKED["theorem2.b"],
    "theorem2_c": lambda: CHECKED["theorem2.c"],
    "theorem2_d": lambda: CHECKED["theorem2.d"],
    "proxy_side_a": lambda: CHECKED["theorem2.paper"] / LAM,
    "proxy_side_b": lambda: CHECKED["theorem2.proxy"],  # the least of the three here
    "proxy_side_c": lambda: expectation(PROBLEM.D_hat, np.logaddexp(0, PROBLEM.prompt_logits(LAM))),
    "classifier_total": lambda: prompt_loss(classifier_bound.total_losses),
    "classifier_capability": lambda: prompt_loss(classifier_bound.capability_losses),
    "classifier_proxy": lambda: prompt_loss(classifier_bound.proxy_losses),
    "trivial_total": lambda: classifier_bound.trivial_total(LAM),
    "trivial_capability": lambda: classifier_bound.trivial_capability(LAM),
    "trivial_proxy": lambda: classifier_bound.trivial_proxy(LAM),
    "information": lambda: conditional_mutual_information(JOINT),
    "prompt_entropy": lambda: PROMPT_ENTROPY,
    "pair_entropy": lambda: PAIR_ENTROPY,
    "cross_entropy": cross_entropy,
    "theorem4_lower": lambda: theorem4.minimum(LAM, exact(PROMPT_ENTROPY), exact(cross_entropy())).value,
    "theorem4_capability_lower": lambda: CHECKED["theorem2.c"] - pair_loss(classifier_bound.capability_losses),
    "theorem4_proxy_lower": lambda: values()["proxy_side_c"] - pair_loss(classifier_bound.proxy_losses),
    "preference": lambda: preferences()["expectation"]["value"],
    "preference_supremum": lambda: preferences()["supremum"]["value"],
    "theorem3_paper": lambda: theorem3.paper(START, STEEPEST, RADIUS).value,
    "theorem3_refined": lambda: theorem3.refined(START, SLOPE, CURVATURE, RADIUS).value,
    "capability_upper": lambda: theorem3.capability_upper(START, SLOPE, CURVATURE, RADIUS).value,
    "capability_lower": lambda: theorem3.capability_lower(START, SLOPE, CURVATURE, RADIUS).value,
    "drift": lambda: theorem3.drift(SLOPE, CURVATURE, RADIUS).value,
    "best_step": lambda: theorem3._best_step(3.0, 4.0, RADIUS),
    "best_step_inside": lambda: theorem3._best_step(3.0, 4.0, 1.0),
    "largest_radius": lambda: theorem3.largest_radius(LIMIT, START, SLOPE, CURVATURE),
    "largest_radius_paper": lambda: theorem3.largest_radius_paper(LIMIT, START, STEEPEST),
    "linear_lipschitz": lambda: linear_softmax.lipschitz(np.ones(1), 1).value,
    "linear_smoothness": lambda: linear_softmax.smoothness(np.ones(1), 1).value,
    "linear_gap": lambda: float(kl(TARGET, HALF)),
    "linear_gradient": lambda: float(np.linalg.norm(HALF - TARGET)),
}


def test_every_value_is_computed() -> None:
    assert set(COMPUTED) == set(values())


@pytest.mark.parametrize("name", COMPUTED)
def test_code_agrees_with_coq(name: str) -> None:
    assert COMPUTED[name]() == pytest.approx(values()[name], rel=1e-12, abs=1e-15)


def test_best_policy_and_its_weights_agree() -> None:
    assert PROBLEM.weights(LAM)[0] == pytest.approx(TABLES["weight"], abs=1e-15)
    assert pytest.approx(TABLES["opt"], abs=1e-15) == BEST


def test_bayes_forms_agree() -> None:
    """The examples hold the gaps themselves; Theorem 4 computes them another way."""
    assert capability_gap_by_bayes(PROBLEM, LAM) == pytest.approx(values()["capability_gap"], rel=1e-12)
    assert proxy_gap_by_bayes(PROBLEM, LAM) == pytest.approx(values()["proxy_gap"], rel=1e-12)
    assert minimum_by_information(PROBLEM, LAM) == pytest.approx(values()["objective"], rel=1e-12)
