"""The classifier bound holds for every classifier, however poor, and is exact for the right one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit, rel_entr

from tradeoffbounds.bounds import classifier_bound, theorem4
from tradeoffbounds.bounds.bound import exact
from tradeoffbounds.bounds.finite import FiniteProblem

pytestmark = pytest.mark.filterwarnings("error")
PENALTIES = (1e-6, 0.1, 1.0, 7.0, 1e6)
LOSSES = (classifier_bound.total_losses, classifier_bound.capability_losses, classifier_bound.proxy_losses)


def problem_without_zeros(rng):
    x, y = rng.integers(1, 7, size=2)
    prompts, responses = (
        rng.dirichlet(np.ones(x), size=2) + 1e-6,
        rng.dirichlet(np.ones(y), size=(2, x)) + 1e-6,
    )
    prompts, responses = (t / t.sum(axis=-1, keepdims=True) for t in (prompts, responses))
    return FiniteProblem(prompts[1], responses[1], prompts[1], responses[1], prompts[0], responses[0])


def expected(losses, capability_weights, proxy_weights):
    """The bound's exact value: row losses weighted by the probability of their rows."""
    return capability_weights.ravel() @ losses.capability + proxy_weights.ravel() @ losses.proxy


def on_prompts(problem, loss, logits, penalty):
    return expected(loss(logits, logits, penalty), problem.D_f, problem.D_hat)


def on_pairs(problem, loss, logits, penalty):
    pairs = problem.D_f[:, None] * problem.mu_f, problem.D_hat[:, None] * problem.mu_hat
    return expected(loss(logits.ravel(), logits.ravel(), penalty), *pairs)


def gaps(problem, penalty):
    policy = problem.optimal_policy(penalty)
    return (
        problem.D_f @ rel_entr(problem.mu_f, policy).sum(axis=1),
        problem.D_hat @ rel_entr(problem.mu_hat, policy).sum(axis=1),
    )


def prompt_terms(problem, penalty):
    """E_f log 1/w and E_ŝ log 1/(1-w)."""
    ratio = penalty * problem.D_hat / problem.D_f
    return problem.D_f @ np.log1p(ratio), problem.D_hat @ np.log1p(1 / ratio)


def close_above(bound, quantity):
    return bound >= quantity * (1 - 1e-9) - 1e-14


@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_classifier_bounds_the_minimum_and_both_gaps(rng, penalty):
    for _ in range(200):
        problem = problem_without_zeros(rng)
        logits = rng.normal(scale=rng.choice([0.1, 2.0, 10.0]), size=len(problem.D))
        total, capability, proxy = (on_prompts(problem, loss, logits, penalty) for loss in LOSSES)
        capability_gap, proxy_gap = gaps(problem, penalty)
        to_capability, to_proxy = prompt_terms(problem, penalty)
        assert close_above(total, to_capability + penalty * to_proxy)
        assert close_above(total, capability_gap + penalty * proxy_gap)
        assert close_above(capability, to_capability)
        assert close_above(to_capability, capability_gap)
        assert close_above(proxy, to_proxy)
        assert close_above(to_proxy, proxy_gap)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_right_classifier_gives_the_prompt_terms_exactly(rng, penalty):
    for _ in range(100):
        problem = problem_without_zeros(rng)
        logits = np.log(problem.D_f / problem.D_hat)
        to_capability, to_proxy = prompt_terms(problem, penalty)
        values = [on_prompts(problem, loss, logits, penalty) for loss in LOSSES]
        terms = [to_capability + penalty * to_proxy, to_capability, to_proxy]
        assert values == pytest.approx(terms, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_one_sided_losses_add_up_to_the_total_loss_row_by_row(rng, penalty):
    first, second = rng.normal(scale=5.0, size=(2, 100))
    total, capability, proxy = (loss(first, second, penalty) for loss in LOSSES)
    np.testing.assert_allclose(
        capability.capability + penalty * proxy.capability, total.capability, rtol=1e-9, atol=1e-14
    )
    np.testing.assert_allclose(capability.proxy + penalty * proxy.proxy, total.proxy, rtol=1e-9, atol=1e-14)
    assert capability.value + penalty * proxy.value == pytest.approx(total.value, rel=1e-12)


def test_value_is_the_sum_of_the_means(rng):
    losses = classifier_bound.RowLosses(np.array([1.0, 3.0]), np.array([0.5, 0.5, 2.0]))
    assert losses.value == pytest.approx(3.0)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_pair_classifier_bounds_each_gap_from_below(rng, penalty):
    for _ in range(200):
        problem = problem_without_zeros(rng)
        right = np.log(problem.D_f / problem.D_hat)[:, None] + np.log(problem.mu_f / problem.mu_hat)
        capability_gap, proxy_gap = gaps(problem, penalty)
        to_capability, to_proxy = prompt_terms(problem, penalty)
        for logits, is_right in ((right, True), (right + rng.normal(scale=2.0, size=right.shape), False)):
            capability = to_capability - on_pairs(problem, classifier_bound.capability_losses, logits, penalty)
            proxy = to_proxy - on_pairs(problem, classifier_bound.proxy_losses, logits, penalty)
            assert close_above(capability_gap, capability)
            assert close_above(proxy_gap, proxy)
            if is_right:
                assert (capability, proxy) == pytest.approx((capability_gap, proxy_gap), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_theorem4_with_a_pair_cross_entropy_lies_below_the_minimum(rng, penalty):
    for _ in range(100):
        problem = problem_without_zeros(rng)
        right = np.log(problem.D_f / problem.D_hat)[:, None] + np.log(problem.mu_f / problem.mu_hat)
        logits = right + rng.normal(size=right.shape)
        capability_gap, proxy_gap = gaps(problem, penalty)
        to_capability, to_proxy = prompt_terms(problem, penalty)
        entropy = exact((to_capability + penalty * to_proxy) / (1 + penalty))
        loss = on_pairs(problem, classifier_bound.total_losses, logits, penalty) / (1 + penalty)
        lower = theorem4.minimum(penalty, entropy, exact(loss, side="upper"))
        assert lower.side == "lower"
        assert close_above(capability_gap + penalty * proxy_gap, lower.value)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_trivial_caps_are_the_losses_of_the_constant_classifier(penalty):
    constant = np.zeros(3)
    trivial = (
        classifier_bound.trivial_total,
        classifier_bound.trivial_capability,
        classifier_bound.trivial_proxy,
    )
    for loss, cap in zip(LOSSES, trivial, strict=True):
        assert loss(constant, constant, penalty).value == pytest.approx(cap(penalty), rel=1e-9)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_trivial_caps_bound_the_prompt_terms(rng, penalty):
    for _ in range(100):
        to_capability, to_proxy = prompt_terms(problem_without_zeros(rng), penalty)
        assert close_above(classifier_bound.trivial_capability(penalty), to_capability)
        assert close_above(classifier_bound.trivial_proxy(penalty), to_proxy)


def test_trivial_total_is_the_entropy_of_the_source():
    assert classifier_bound.trivial_total(1.0) == pytest.approx(np.log(4))
    prior = 1 / 4
    entropy = -prior * np.log(prior) - (1 - prior) * np.log(1 - prior)
    assert classifier_bound.trivial_total(3.0) == pytest.approx(4 * entropy)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("clip", [0.01, 1.0, 20.0])
def test_loss_ranges_hold_every_clipped_loss(rng, loss, penalty, clip):
    logits = np.concatenate([rng.uniform(-clip, clip, size=1000), [-clip, 0.0, clip]])
    rows = loss(logits, logits, penalty)
    for terms, (low, high) in zip(
        (rows.capability, rows.proxy), classifier_bound.loss_ranges(loss, clip, penalty), strict=True
    ):
        rounding = 1e-9 * (high - low)
        assert low - rounding <= terms.min()
        assert terms.max() <= high + rounding
        assert low <= high


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_those_of_the_formulas(rng, loss):
    """Written with q itself instead of logits, at a penalty where that is accurate."""
    penalty, (p, q) = 2.0, rng.uniform(0.05, 0.95, size=(2, 50))
    formulas = {
        "total_losses": (-np.log(p), -penalty * np.log(1 - q)),
        "capability_losses": (-np.log(p) + p - 1, penalty * q),
        "proxy_losses": ((1 - p) / penalty, -np.log(1 - q) - q),
    }
    rows = loss(logit(p) + np.log(penalty), logit(q) + np.log(penalty), penalty)
    for ours, formula in zip((rows.capability, rows.proxy), formulas[loss.__name__], strict=True):
        np.testing.assert_allclose(ours, formula, rtol=1e-9)
