"""The certified constants of a linear softmax against dense gradients and Hessians, and where they are attained."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import softmax

from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED
from tradeoffbounds.bounds.linear_softmax import lipschitz, smoothness

pytestmark = pytest.mark.filterwarnings("error")
BOTH = pytest.mark.parametrize("constant", [lipschitz, smoothness])


def dense(weights, features, targets, responses):
    """Gradient and Hessian of the mean over responses of Σ_t KL(q_t | softmax(W h_t)), over vec(W)."""
    size = weights.size
    gradient, hessian = np.zeros(size), np.zeros((size, size))
    for h, q in zip(features, targets, strict=True):
        p = softmax(weights @ h)
        gradient += np.outer(p - q, h).ravel() / responses
        hessian += np.kron(np.diag(p) - np.outer(p, p), np.outer(h, h)) / responses
    return gradient, hessian


def test_dense_derivatives_are_those_of_the_loss(rng):
    """The twin itself, by central differences, so that the constants are compared with something known."""
    features, targets, weights = rng.normal(size=(3, 2)), rng.dirichlet(np.ones(4), size=3), rng.normal(size=(4, 2))

    def loss(vector):
        logits = features @ vector.reshape(4, 2).T
        return (np.log(np.exp(logits).sum(axis=1)) - (targets * logits).sum(axis=1)).sum() / 2

    gradient, hessian = dense(weights, features, targets, 2)
    direction, step = rng.normal(size=8), 1e-4
    ahead, here, behind = (loss(weights.ravel() + k * step * direction) for k in (1, 0, -1))
    assert (ahead - behind) / (2 * step) == pytest.approx(gradient @ direction, rel=1e-6)
    assert (ahead - 2 * here + behind) / step**2 == pytest.approx(direction @ hessian @ direction, rel=1e-5)


def test_no_gradient_or_hessian_exceeds_its_constant(rng):
    closest = np.zeros(2)
    for _ in range(1000):
        vocabulary, width, tokens = rng.integers(2, 7), rng.integers(1, 6), rng.integers(1, 8)
        responses = int(rng.integers(1, tokens + 1))
        features = rng.normal(size=(tokens, width)) * 10 ** rng.uniform(-2, 2, size=(tokens, 1))
        soft, hard = rng.dirichlet(np.ones(vocabulary), size=tokens), np.eye(vocabulary)
        targets = soft if rng.random() < 0.5 else hard[rng.integers(vocabulary, size=tokens)]
        weights = rng.normal(size=(vocabulary, width)) * 10 ** rng.uniform(-3, 2)
        gradient, hessian = dense(weights, features, targets, responses)
        found = np.array([np.linalg.norm(gradient), np.linalg.norm(hessian, 2)])
        norms = np.linalg.norm(features, axis=1)
        allowed = np.array([lipschitz(norms, responses).value, smoothness(norms, responses).value])
        assert np.all(found <= allowed * (1 + 1e-12))
        closest = np.maximum(closest, found / allowed)
    assert np.all(closest > 0.9)  # some random problem comes near each of them


@pytest.mark.parametrize("vocabulary", [2, 5])
@pytest.mark.parametrize("tokens", [1, 3])
def test_both_constants_are_attained_and_break_when_halved(vocabulary, tokens):
    """Two logits 0, the others ruled out: p = (½, ½). One logit high, another the label: p - e_y = (1, -1)."""
    h = np.array([0.3, -0.4])  # of norm ½
    features, labels = np.tile(h, (tokens, 1)), np.tile(np.eye(vocabulary)[0], (tokens, 1))
    even, wrong = (np.full(vocabulary, -400.0) for _ in range(2))
    even[:2], wrong[:2] = 0.0, (-400.0, 0.0)
    norms, along = np.full(tokens, 0.5), h / 0.25  # logits = column ⊗ along · h = column
    _, hessian = dense(np.outer(even, along), features, labels, 2)
    gradient, _ = dense(np.outer(wrong, along), features, labels, 2)
    largest_hessian, largest_gradient = smoothness(norms, 2).value, lipschitz(norms, 2).value
    assert np.linalg.norm(hessian, 2) == pytest.approx(largest_hessian, rel=1e-12)
    assert np.linalg.norm(gradient) == pytest.approx(largest_gradient, rel=1e-12)
    assert np.linalg.norm(hessian, 2) > largest_hessian / 2
    assert np.linalg.norm(gradient) > largest_gradient / 2


def test_constants_fail_for_a_bilinear_head_and_hold_for_the_frozen_factor():
    """z = B A h with both factors trained: the gradient in B sees A h, which may be longer than h."""
    h, A = np.array([0.3, -0.4]), 10 * np.eye(2)
    B = np.array([[-400.0, 0.0], [400.0, 0.0]])
    p = softmax(B @ A @ h)
    gradient = np.linalg.norm(np.outer(p - np.eye(2)[0], A @ h))
    assert gradient > 5 * lipschitz(np.array([np.linalg.norm(h)]), 1).value
    assert gradient <= lipschitz(np.array([np.linalg.norm(A @ h)]), 1).value * (1 + 1e-12)


def test_they_are_certified_upper_bounds_with_units():
    norms = np.array([1.0, 2.0, 3.0])
    for bound, value, unit in (
        (lipschitz(norms, 2), math.sqrt(2) * 3.0, PER_UNIT),
        (smoothness(norms, 2), 3.5, PER_UNIT_SQUARED),
    ):
        assert bound.value == pytest.approx(value, rel=1e-15)
        assert (bound.kind, bound.side, bound.unit, bound.status) == ("certified", "upper", unit, "ok")
        assert (bound.theorem, bound.assumptions) == ("linear softmax", ("rows",))


@BOTH
def test_single_precision_norms_are_summed_in_double(constant):
    norms = np.full(1000, 0.1, dtype=np.float32)
    assert constant(norms, 7).value == constant(norms.astype(np.float64), 7).value
    assert math.isfinite(constant(np.array([1e30], dtype=np.float32), 1).value)


@BOTH
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_norms_that_are_not_finite_leave_no_constant(constant, bad):
    bound = constant(np.array([1.0, bad]), 1)
    assert (bound.value, bound.side) == (math.inf, "upper")
    assert bound.status == "vacuous: a feature norm is not finite"


def test_a_sum_that_overflows_leaves_no_constant():
    assert smoothness(np.array([1e200]), 1).value == math.inf
    assert smoothness(np.array([1e200]), 1).status.startswith("vacuous")


@BOTH
def test_arguments_are_checked(constant):
    with pytest.raises(ValueError, match=r"`norms` must be >= 0, got -0\.5"):
        constant(np.array([1.0, -0.5]), 1)
    with pytest.raises(ValueError, match=r"`norms` must hold at least one response token, got none"):
        constant(np.array([]), 1)
    with pytest.raises(ValueError, match=r"`responses` must be at least 1, got 0"):
        constant(np.array([1.0]), 0)
