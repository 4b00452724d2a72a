"""Theorem 3 against searched and certified extrema of 1,000 softmax problems, and against exact quadratics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from tradeoffbounds.bounds import linear_softmax
from tradeoffbounds.bounds.bound import exact
from tradeoffbounds.bounds.theorem3 import (
    capability_lower,
    capability_upper,
    paper,
    refined,
)

from .softmax_balls import (
    every_bound,
    largest_found,
    norm,
    random_softmax,
    slope,
    smallest_found,
    unit,
)

pytestmark = pytest.mark.filterwarnings("error")

PROBLEMS = 1000


@pytest.fixture(scope="module")
def balls():
    """(safety, capability, θ_s, ε): both losses in the same trained parameters."""
    rng = np.random.default_rng(0)
    vocabularies, dimensions = rng.integers(2, 7, size=PROBLEMS), rng.integers(1, 6, size=PROBLEMS)
    safety, capability = (random_softmax(rng, vocabularies, dimensions) for _ in range(2))
    inside = (np.arange(6) < vocabularies[:, None])[:, :, None] & (np.arange(5) < dimensions[:, None])[:, None, :]
    centre = rng.normal(size=inside.shape) * 10 ** rng.uniform(-2, 0.5, size=(PROBLEMS, 1, 1)) * inside
    return safety, capability, centre, 10 ** rng.uniform(-3, 1, size=(PROBLEMS, 1, 1))


def bounds_of(loss, centre, radius):
    """One dictionary of four arrays; all certified, as both constants are."""
    rows = []
    starts, norms = loss(centre), norm(loss.gradient(centre)).ravel()
    for start, gradient_norm, (lipschitz, smoothness), epsilon in zip(
        starts, norms, loss.constants(), radius.ravel(), strict=True
    ):
        arguments = exact(float(start)), slope(float(gradient_norm)), smoothness, float(epsilon)
        bounds = {
            "paper": paper(exact(float(start)), lipschitz, float(epsilon)),
            "refined": refined(*arguments),
            "upper": capability_upper(*arguments),
            "lower": capability_lower(*arguments),
        }
        assert {bound.kind for bound in bounds.values()} == {"certified"}
        rows.append({name: bound.value for name, bound in bounds.items()})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def test_no_point_of_the_ball_violates_either_safety_bound(balls, rng):
    loss, _, centre, radius = balls
    bounds, gradient, worst = bounds_of(loss, centre, radius), loss.gradient(centre), np.full(PROBLEMS, -np.inf)
    trained = centre != 0
    for share in (1.0, 1.0, 1.0, 0.9, 0.5, 0.1):
        worst = np.maximum(worst, loss(centre + radius * share * unit(rng.normal(size=centre.shape) * trained)))
    directions = (gradient, -gradient, *rng.normal(size=(2, *centre.shape)) * trained)
    starts = [centre + radius * unit(direction) for direction in directions]
    worst = np.maximum(worst, largest_found(loss, centre, radius, starts))
    rounding = 1e-12 * (1 + np.abs(worst))
    for name in ("paper", "refined"):
        assert np.all(worst <= bounds[name] + rounding), name
        # Not by being far away: where the ball is small enough to be nearly linear, refined is close.
        excess = (bounds[name] - loss(centre)) / (worst - loss(centre))
        assert excess.min() < (1.001 if name == "refined" else 1.5), name


def test_the_best_point_of_the_ball_is_between_both_capability_bounds(balls):
    _, loss, centre, radius = balls
    bounds = bounds_of(loss, centre, radius)
    smoothness = np.array([bound.value for _, bound in loss.constants()])[:, None, None]
    width = bounds["upper"] - bounds["lower"]
    below, found = smallest_found(loss, centre, radius, smoothness, enough=1e-6 * width)
    rounding = 1e-12 * (1 + np.abs(loss(centre)))
    assert np.all(found - below <= 1e-6 * width + rounding)  # the minimum is known to a millionth of the bracket
    assert np.all(found <= bounds["upper"] + rounding)
    assert np.all(below >= bounds["lower"] - rounding)
    assert np.all(bounds["upper"] <= loss(centre))


# quadratics: exact suprema, exact extrema


def lowest(gradient, eigenvalues, radius):
    """min of gᵀδ + ½ Σ λ_i δ_i² over ‖δ‖ <= ε, by the multiplier μ: δ_i = -g_i / (λ_i + μ). No g_i may be 0."""

    def step(multiplier):
        return -gradient / (eigenvalues + multiplier)

    multiplier = max(0.0, -eigenvalues.min())
    if eigenvalues.min() <= 0 or np.linalg.norm(step(0.0)) > radius:
        least = multiplier + 1e-10 * (eigenvalues.min() <= 0)
        most = multiplier + np.linalg.norm(gradient) / radius + 1.0
        multiplier = brentq(lambda m: np.linalg.norm(step(m)) - radius, least, most, xtol=1e-15, rtol=1e-15)
    best = step(multiplier)
    return gradient @ best + 0.5 * eigenvalues @ best**2


def test_every_bound_holds_on_indefinite_quadratics_with_exact_constants(rng):
    """A Hessian may be taken diagonal; the largest ‖g + Hδ‖ of the ball is a quadratic problem of its own."""
    for _ in range(PROBLEMS):
        size, radius, start = rng.integers(1, 7), float(10 ** rng.uniform(-3, 1)), float(rng.uniform(0, 3))
        gradient, eigenvalues = rng.choice([-1, 1], size=(2, size)) * 10 ** rng.uniform(-2, 1, size=(2, size))
        steepest = gradient @ gradient - lowest(-2 * gradient * eigenvalues, -2 * eigenvalues**2, radius)
        bounds = every_bound(
            start, math.sqrt(steepest), float(np.linalg.norm(gradient)), float(np.abs(eigenvalues).max()), radius
        )
        smallest = start + lowest(gradient, eigenvalues, radius)
        largest = start - lowest(-gradient, -eigenvalues, radius)
        rounding = 1e-9 * (1 + abs(smallest) + largest)
        assert largest <= min(bounds["paper"], bounds["refined"]) + rounding
        assert bounds["lower"] - rounding <= smallest <= bounds["upper"] + rounding


#: name -> (one-dimensional function of a step, its L, ‖g‖, S in the ball of radius 2, where it meets the bound)
EXTREMAL = {
    "paper": (lambda z: 1 + 0.7 * z, (0.7, 0.7, 0.0), 2.0),
    "refined": (lambda z: 1 + 0.7 * z + 0.15 * z**2, (1.3, 0.7, 0.3), 2.0),
    "lower": (lambda z: 1 + 0.7 * z - 0.15 * z**2, (1.3, 0.7, 0.3), -2.0),
    "upper": (lambda z: 1 + 0.7 * z + 0.15 * z**2, (1.3, 0.7, 0.3), -2.0),
    "upper, minimum inside": (lambda z: 1 + 0.7 * z + 0.5 * z**2, (2.7, 0.7, 1.0), -0.7),
}


@pytest.mark.parametrize("name", EXTREMAL)
def test_each_bound_is_attained_and_breaks_when_its_constant_is_halved(name):
    function, (lipschitz, gradient_norm, smoothness), where = EXTREMAL[name]
    side = name.split(",")[0]

    def excess(*factors):
        """How far the bound is on the safe side of the function's value there."""
        constants = (c * f for c, f in zip((lipschitz, gradient_norm, smoothness), factors, strict=True))
        bound = every_bound(1.0, *constants, 2.0)[side]
        return function(where) - bound if side == "lower" else bound - function(where)

    assert excess(1.0, 1.0, 1.0) == pytest.approx(0.0, abs=1e-12)
    if side == "paper":
        assert excess(0.5, 1.0, 1.0) < -0.1
    else:
        assert excess(1.0, 1.0, 0.5) < -0.1
        # A norm is overstated, not understated, where it enters with a minus.
        assert excess(1.0, 2.0 if side == "upper" else 0.5, 1.0) < -0.1


def test_the_paper_bound_is_nearly_attained_by_a_token_that_is_ruled_out():
    """log(1 + exp z) from z = 40, along the gradient of norm √2 ‖h‖ of two logits: linear to 1e-17."""
    radius, lipschitz = 3.0, linear_softmax.lipschitz(np.array([0.5]), 1)
    start, reached = (float(np.logaddexp(0.0, 40 + math.sqrt(2) * 0.5 * step)) for step in (0.0, radius))
    assert paper(exact(start), lipschitz, radius).value == pytest.approx(reached, rel=1e-12)


@pytest.mark.parametrize("name", ["paper", "refined", "lower"])
def test_no_bound_reaches_beyond_its_ball(name):
    function, constants, where = EXTREMAL[name]
    bound, beyond = every_bound(1.0, *constants, 2.0)[name], function(2 * where)
    assert beyond < bound - 0.1 if name == "lower" else beyond > bound + 0.1


def test_constants_of_a_smaller_ball_prove_nothing():
    """log(1 + exp z) at z = -5 is flat nearby and of slope 1 further on."""
    here, nearby, radius = -5.0, -4.9, 10.0
    lipschitz, smoothness = float(expit(nearby)), float(expit(nearby) * expit(-nearby))
    bounds = every_bound(float(np.logaddexp(0, here)), lipschitz, float(expit(here)), smoothness, radius)
    assert np.logaddexp(0, here + radius) > max(bounds["paper"], bounds["refined"]) + 1.0
