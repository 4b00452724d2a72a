"""The minimum of a quadratic on a ball, the reduced model, and what sharing parameters is predicted to cost."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.curvature.quadratic_model import (
    TOO_LARGE,
    UNBOUNDED,
    Quadratic,
    QuadraticModel,
    quadratic_model,
    sharing,
)
from tradeoffbounds.curvature.spectrum import spectrum

from .losses import Waves, quadratic, random_orthogonal, symmetric
from .tiny_adapted import CAPABILITY, PROXY, adapted

pytestmark = pytest.mark.usefixtures("quick_compilation")


def feasible_minimum(slope, curvature, radius, rng):
    """The best that SLSQP finds from many starts, pulled back into the ball: an upper end."""
    limit = {"type": "ineq", "fun": lambda z: radius**2 - z @ z, "jac": lambda z: -2 * z}
    best = 0.0
    for _ in range(8):
        start = rng.standard_normal(len(slope))
        found = minimize(
            lambda z: slope @ z + 0.5 * z @ curvature @ z, radius * start / np.linalg.norm(start),
            jac=lambda z: slope + curvature @ z, constraints=[limit], method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 300},
        ).x  # fmt: skip
        found *= min(1.0, radius / np.linalg.norm(found))
        best = min(best, slope @ found + 0.5 * found @ curvature @ found)
    return best


def dual_value(slope, curvature, radius):
    """max_ν of the Lagrange dual by a grid that zooms in: a lower end, and the minimum itself by strong duality."""
    values, vectors = np.linalg.eigh(curvature)
    squares = (vectors.T @ slope) ** 2
    scale = np.abs(values).max() + np.linalg.norm(slope) / radius + 1e-30
    low, high = -14.0, 1.0  # decades
    for _ in range(6):
        exponents = np.linspace(low, high, 301)
        shifts = max(0.0, -values[0]) + scale * 10.0**exponents
        duals = -0.5 * (squares / (values + shifts[:, None])).sum(axis=1) - 0.5 * shifts * radius**2
        best, width = exponents[duals.argmax()], (high - low) / 150
        low, high = max(best - width, -14.0), best + width
    return duals.max()


def cases():
    """Names and (slope, curvature) in four dimensions, rotated."""
    rng = np.random.default_rng(7)
    for number in range(30):
        spectrum_ = rng.standard_normal(4) * 10.0 ** rng.uniform(-2, 2)
        kind = ("indefinite", "convex", "semidefinite")[number % 3]
        spectrum_ = spectrum_ if kind == "indefinite" else np.abs(spectrum_)
        if kind == "semidefinite":
            spectrum_[0] = 0.0
        yield pytest.param(rng.standard_normal(4), symmetric(rng, spectrum_), id=f"{kind} {number}")
    for name, values, slope in (
        ("hard", [-1.0, 0.5, 2, 3], [0.0, 1, 1, 1]),
        ("hard, twice the lowest", [-1.0, -1, 2, 100], [0.0, 0, 1, 50]),
        ("no slope, indefinite", [-2.0, -1, 1, 3], [0.0] * 4),
        ("no slope, convex", [1.0, 1, 2, 3], [0.0] * 4),
        ("almost hard", [-1.0, 0.5, 2, 3], [1e-9, 1, 1, 1]),
        ("flat", [0.0] * 4, [1.0, 2, 3, 4]),
        ("nothing", [0.0] * 4, [0.0] * 4),
        ("negative definite", [-4.0, -3, -2, -1], [0.1, 0, 0, 1]),
    ):
        basis = random_orthogonal(rng, 4)
        yield pytest.param(basis @ slope, basis @ np.diag(values) @ basis.T, id=name)


@pytest.mark.parametrize(("slope", "curvature"), [*cases()])
def test_the_minimum_on_a_ball_lies_between_a_feasible_point_and_the_dual(slope, curvature):
    """Both ends come from scipy, and all but meet."""
    rng = np.random.default_rng(1)
    model = Quadratic(slope, curvature)
    before = 0.0
    for radius in (0.01, 0.3, 1.0, 3.0, 100.0):
        value = model.minimum(radius)
        scale = radius * np.linalg.norm(slope) + radius**2 * np.abs(curvature).max() + 1e-30
        low = dual_value(slope, curvature, radius)
        assert low - 1e-9 * scale <= value <= feasible_minimum(slope, curvature, radius, rng) + 1e-9 * scale
        assert value - low <= 1e-5 * scale
        assert value <= before + 1e-12 * scale
        before = value


def test_the_hard_case_with_equal_lowest_curvatures():
    """Rounding of equal eigenvalues must not put a step outside the ball."""
    along = 50 / 101
    exact = -50 * along + 50 * along**2 - 0.5 * (1 - along**2)
    for seed in range(500):
        basis = random_orthogonal(np.random.default_rng(seed), 3)
        model = Quadratic(basis @ [0.0, 0, 50], basis @ np.diag([-1.0, -1, 100]) @ basis.T)
        assert model.minimum(1.0) == pytest.approx(exact, rel=1e-9)


def test_without_a_ball_a_convex_model_has_its_minimum_and_others_none(rng):
    """-½ bᵀB⁻¹b; -inf where it curves downwards, or slopes without curving; flat directions do not count."""
    curvature, slope = symmetric(rng, [0.5, 1.0, 2.0, 8.0]), rng.standard_normal(4)
    model = Quadratic(slope, curvature)
    assert model.minimum() == pytest.approx(-0.5 * slope @ np.linalg.solve(curvature, slope), rel=1e-12)
    assert model.minimum(1e9) == pytest.approx(model.minimum(), rel=1e-9)
    assert Quadratic(slope, symmetric(rng, [-1e-3, 1, 2, 3])).minimum() == -math.inf
    assert Quadratic(slope, symmetric(rng, [0.0, 1, 2, 3])).minimum() == -math.inf
    assert Quadratic(np.zeros(4), symmetric(rng, [-1.0, 1, 2, 3])).minimum() == -math.inf
    basis = random_orthogonal(rng, 4)
    flat = Quadratic(basis @ [0.0, 1, 1, 1], basis @ np.diag([0.0, 1, 2, 4]) @ basis.T)
    assert flat.minimum() == pytest.approx(-0.5 * (1 + 1 / 2 + 1 / 4), rel=1e-9)
    assert Quadratic(np.zeros(4), np.zeros((4, 4))).minimum() == 0.0


def model_of(capability, proxy, at, steps):
    """As `case_two` makes it: Lanczos from each gradient."""
    gradients = tuple(loss.value_and_gradient(at)[1] for loss in (capability, proxy))
    spectra = tuple(
        spectrum(loss, at, gradient, steps) for loss, gradient in zip((capability, proxy), gradients, strict=True)
    )
    return quadratic_model(capability, proxy, at, gradients, spectra), gradients, spectra


def check_projection(model, hessians, gradients, spectra, tolerance):
    """Each reduced model is that of the dense derivatives on the same subspace: what no choice of basis changes."""
    frame = np.concatenate([np.asarray(each.basis, np.float64) for each in spectra])
    _, spread, span = np.linalg.svd(frame, full_matrices=False)
    q = span[spread**2 > 1e-4 * spread[0] ** 2]
    assert model.dimensions == len(q)
    for reduced, hessian, gradient in zip((model.capability, model.proxy), hessians, gradients, strict=True):
        norm = np.abs(np.linalg.eigvalsh(hessian)).max()
        dense = Quadratic(q @ np.asarray(gradient, np.float64), q @ hessian @ q.T)
        np.testing.assert_allclose(reduced.curvature, reduced.curvature.T, atol=tolerance * norm)
        np.testing.assert_allclose(
            np.linalg.eigvalsh(reduced.curvature), np.linalg.eigvalsh(dense.curvature), atol=tolerance * norm
        )
        assert np.linalg.norm(reduced.slope) == pytest.approx(np.linalg.norm(dense.slope), rel=tolerance)
        for radius in (0.1, 1.0, 10.0):
            scale = radius * np.linalg.norm(dense.slope) + radius**2 * norm
            assert reduced.minimum(radius) == pytest.approx(dense.minimum(radius), abs=tolerance * scale)


@pytest.mark.parametrize("steps", [1, 3, 6])
@pytest.mark.parametrize("seed", range(3))
def test_the_reduced_model_is_the_projection_of_the_dense_one(steps, seed):
    """Of two smooth losses in twelve dimensions."""
    rng = np.random.default_rng(seed)
    pair, at = [Waves.random(rng, 20, 12) for _ in range(2)], rng.standard_normal(12)
    model, gradients, spectra = model_of(*(each.loss(4) for each in pair), jnp.asarray(at, jnp.float32), steps)
    check_projection(model, [each.hessian(at) for each in pair], gradients, spectra, 1e-4)


@pytest.mark.parametrize("gap", [1e-1, 3e-2, 1.5e-2])
def test_losses_that_are_almost_equal_have_an_accurate_model_too(gap, rng):
    """Their Krylov bases are almost parallel, which magnifies rounding."""
    one, other = Waves.random(rng, 20, 12), Waves.random(rng, 20, 12)
    near = Waves(
        *(
            getattr(one, name) + gap * getattr(other, name) * (name == "weights")
            for name in ("weights", "waves", "phases")
        )
    )
    at = rng.standard_normal(12)
    model, gradients, spectra = model_of(one.loss(4), near.loss(4), jnp.asarray(at, jnp.float32), 4)
    check_projection(model, [one.hessian(at), near.hessian(at)], gradients, spectra, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "prompt-tuning"])
def test_the_reduced_model_of_a_transformer(method):
    """Against its dense Hessians in all adapter parameters."""
    ours = adapted(method)
    losses = [ours.loss(rows) for rows in (CAPABILITY, PROXY)]
    model, gradients, spectra = model_of(*losses, ours.theta, 5)
    hessians = [np.asarray(loss.hvps(ours.theta, jnp.eye(ours.theta.size)), np.float64) for loss in losses]
    check_projection(model, hessians, gradients, spectra, 1e-4)


def interference(pair, penalty, radius=math.inf):
    """min (f + λ s) - min f - λ min s of quadratics given as (slope, curvature), by scipy or a linear system."""

    def least(slope, curvature):
        if math.isinf(radius):
            return -0.5 * slope @ np.linalg.pinv(curvature) @ slope
        return feasible_minimum(slope, curvature, radius, np.random.default_rng(0))

    (b, h), (c, k) = pair
    return least(b + penalty * c, h + penalty * k) - least(b, h) - penalty * least(c, k)


@pytest.mark.parametrize("seed", range(5))
def test_interference_is_exact_for_losses_that_are_quadratic_in_a_small_subspace(seed):
    """Forty dimensions, of which four matter; once Lanczos has seen them the model is the loss."""
    rng = np.random.default_rng(seed)
    basis = random_orthogonal(rng, 40)[:, :4]
    small = [(rng.standard_normal(4), symmetric(rng, rng.uniform(1, 3, 4))) for _ in range(2)]
    losses = [quadratic(basis @ h @ basis.T, basis @ b) for b, h in small]
    model, _, _ = model_of(*losses, jnp.zeros(40), 6)
    assert model.dimensions >= 4  # the others are of rounding, and flat
    for penalty in (0.1, 1.0, 10.0):
        for radius in (math.inf, 0.2, 1.0):
            exact = interference(small, penalty, radius)
            assert exact >= 0 and model.interference(penalty, radius) == pytest.approx(exact, rel=2e-3, abs=1e-5)


def test_equal_losses_do_not_interfere(rng):
    """Trained together they reach the minimum that both have, with and without a ball."""
    loss = quadratic(symmetric(rng, [1.0, 2, 3, 4, 5, 6]), rng.standard_normal(6))
    model, _, _ = model_of(loss, loss, jnp.zeros(6), 6)
    for penalty in (0.1, 1.0, 10.0):
        assert model.interference(penalty) == pytest.approx(0.0, abs=1e-6)
        assert model.interference(penalty, 0.1) == pytest.approx(0.0, abs=1e-6)


def test_losses_of_disjoint_parameters_do_not_interfere(rng):
    """Each is flat where the other curves, up to rounding; a common ball still makes them share its radius."""
    first, second = (symmetric(rng, rng.uniform(1, 4, 3)) for _ in range(2))
    whole = np.zeros((2, 6, 6))
    whole[0, :3, :3], whole[1, 3:, 3:] = first, second
    slopes = (
        np.concatenate([rng.standard_normal(3), np.zeros(3)]),
        np.concatenate([np.zeros(3), rng.standard_normal(3)]),
    )
    for rotation in (np.eye(6), random_orthogonal(rng, 6)):
        losses = [quadratic(rotation @ h @ rotation.T, rotation @ b) for h, b in zip(whole, slopes, strict=True)]
        model, _, _ = model_of(*losses, jnp.zeros(6), 6)
        for penalty in (0.1, 1.0, 10.0):
            assert model.interference(penalty) == pytest.approx(0.0, abs=1e-5)
            assert model.interference(penalty, 10.0) == pytest.approx(0.0, abs=1e-4)
            assert model.interference(penalty, 0.1) > 0


def test_interference_is_never_negative_and_unknown_without_a_minimum(rng):
    """Random models: >= 0 in every ball, NaN without one where a model curves downwards."""
    for _ in range(200):
        pair = [Quadratic(rng.standard_normal(3), symmetric(rng, rng.standard_normal(3))) for _ in range(2)]
        model = QuadraticModel(*pair)
        assert all(model.interference(penalty, radius) >= 0 for penalty in (0.1, 10.0) for radius in (0.1, 10.0))
        bounded = all(math.isfinite(each.minimum()) for each in (*pair, pair[0].plus(pair[1], 0.1)))
        assert math.isnan(model.interference(0.1)) != bounded


def apart_by(interference):
    """A model of two losses in one dimension that pull in opposite directions and so interfere at λ = 1."""
    pull = np.asarray([math.sqrt(interference)])
    return QuadraticModel(Quadratic(pull, np.eye(1)), Quadratic(-pull, np.eye(1)))


@pytest.mark.parametrize("interval", [None, (0.1, 0.6), (0.0, math.inf), (-math.inf, 0.4)])
@pytest.mark.parametrize("interference", [0.0, 0.2, 0.35, 5.0])
def test_the_sharing_cost_is_what_the_information_cost_leaves(interference, interval):
    """Predicted, never negative, its interval in order around it."""
    information = Bound(0.3, "predicted", interval=interval, confidence=interval and 0.95, assumptions=("iid",))
    found = sharing(apart_by(interference), 1.0, information)
    assert found.penalty == 1.0 and found.interference.value == pytest.approx(interference)
    cost = found.cost
    assert cost.value == pytest.approx(max(interference - 0.3, 0.0))
    assert cost.kind == found.interference.kind == "predicted"
    assert 0 <= cost.interval[0] <= cost.value <= cost.interval[1]
    assert set(cost.assumptions) == {"iid", "rows"} and cost.confidence == information.confidence
    if interval == (0.1, 0.6):
        assert cost.interval == pytest.approx((max(interference - 0.6, 0.0), max(interference - 0.1, 0.0)))


def test_in_a_ball_the_sharing_cost_is_that_of_the_ball():
    """Both steps are as long as the radius, so apart they gain 2 (0.1 - 0.1² / 2), together nothing."""
    found = sharing(apart_by(1.0), 1.0, Bound(0.0, "predicted"), 0.1)
    assert found.interference.value == found.cost.value == pytest.approx(0.19)


def test_more_than_both_losses_cannot_be_lost():
    """A ball in which the model predicts that is too large for it."""
    model, information = apart_by(1.0), Bound(0.0, "predicted")
    assert sharing(model, 1.0, information, most=1.001).cost.value == pytest.approx(1.0)
    found = sharing(model, 1.0, information, most=0.9)
    for each in (found.interference, found.cost):
        assert each.value == math.inf and each.side == "upper" and each.status == TOO_LARGE


def test_an_unknown_interference_makes_both_costs_vacuous():
    """A model that curves downwards has no minimum without a ball, and says so; in a ball it has one."""
    model = QuadraticModel(*(Quadratic(np.ones(1), sign * np.eye(1)) for sign in (1, -1)))
    found = sharing(model, 1.0, Bound(0.3, "predicted"))
    for each in (found.interference, found.cost):
        assert each.value == math.inf and each.side == "upper" and each.status == UNBOUNDED
    assert math.isfinite(sharing(model, 1.0, Bound(0.3, "predicted"), 2.0).cost.value)
