"""Drift along -g_f and along the safest direction, against dense Hessians and the losses themselves."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest

from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE
from tradeoffbounds.curvature.directions import TOO_FAR, Direction, along_descent

from .losses import Waves, quadratic, symmetric

pytestmark = pytest.mark.usefixtures("float64", "quick_compilation")

SIZE = 8


@pytest.fixture
def problem(rng):
    """Two smooth losses, a point, and the directions found there with two top curvatures avoided."""
    safety, capability = Waves.random(rng, 12, SIZE), Waves.random(rng, 9, SIZE)
    at = rng.standard_normal(SIZE)
    return safety, capability, at, rng


def find(safety, capability, at, top):
    """`along_descent` on closed-form gradients."""
    losses = [each.loss(3, jnp.float64) for each in (safety, capability)]
    gradients = tuple(jnp.asarray(each.gradient(at)) for each in (safety, capability))
    return along_descent(*losses, jnp.asarray(at), gradients, jnp.asarray(top))


def top_vectors(hessian, count):
    values, vectors = np.linalg.eigh(hessian)
    return vectors[:, np.argsort(-np.abs(values))[:count]].T


def safest_vector(safety, capability, at, top):
    """The same direction by least squares."""
    descent = -capability.gradient(at)
    avoided = np.concatenate([safety.gradient(at)[None], top])
    rest = descent - avoided.T @ np.linalg.lstsq(avoided.T, descent, rcond=None)[0]
    return rest / np.linalg.norm(rest)


def test_slopes_and_curvatures_are_those_of_dense_derivatives(problem):
    """Along both directions and for both losses."""
    safety, capability, at, _ = problem
    top = top_vectors(safety.hessian(at), 2)
    descent = -capability.gradient(at) / np.linalg.norm(capability.gradient(at))
    vectors = {"descent": descent, "safest": safest_vector(safety, capability, at, top)}
    found = find(safety, capability, at, top)
    for name, d in vectors.items():
        assert found[name].safety_slope == pytest.approx(safety.gradient(at) @ d, rel=1e-9, abs=1e-12)
        assert found[name].safety_curvature == pytest.approx(d @ safety.hessian(at) @ d, rel=1e-9)
        assert found[name].gain_slope == pytest.approx(-capability.gradient(at) @ d, rel=1e-9)
        assert found[name].capability_curvature == pytest.approx(d @ capability.hessian(at) @ d, rel=1e-9)
    assert found["descent"].gain_slope == pytest.approx(np.linalg.norm(capability.gradient(at)), rel=1e-12)
    assert found["descent"].gain_slope >= found["safest"].gain_slope >= 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_safest_direction_avoids_the_gradient_and_the_top_curvatures(problem, count):
    """It is a unit vector orthogonal to both, so to first order the safety gap stands still."""
    safety, capability, at, _ = problem
    top = top_vectors(safety.hessian(at), count)
    d = safest_vector(safety, capability, at, top)
    np.testing.assert_allclose(np.concatenate([safety.gradient(at)[None], top]) @ d, 0.0, atol=1e-12)
    safest = find(safety, capability, at, top)["safest"]
    assert abs(safest.safety_slope) < 1e-12 * np.linalg.norm(safety.gradient(at))
    left = np.sort(np.abs(np.linalg.eigvalsh(safety.hessian(at))))[::-1][count]
    assert abs(safest.safety_curvature) <= left * (1 + 1e-9)
    assert safest.gain_slope == pytest.approx(-capability.gradient(at) @ d, rel=1e-9) and safest.gain_slope > 0


def test_drift_is_the_actual_change_but_for_the_third_order(problem):
    """Half the step, an eighth of the error; a model of first order alone would show a quarter."""
    safety, capability, at, _ = problem
    top = top_vectors(safety.hessian(at), 2)
    found = find(safety, capability, at, top)
    descent = -capability.gradient(at) / np.linalg.norm(capability.gradient(at))
    for name, d in (("descent", descent), ("safest", safest_vector(safety, capability, at, top))):
        errors = []
        for step in (0.02, 0.01, 0.005):
            actual = safety.rows(at + step * d).sum() - safety.rows(at).sum()
            drift = found[name].drift(step, name, 10.0)
            assert (drift.kind, drift.side, drift.unit) == ("predicted", "value", NATS_PER_RESPONSE)
            errors.append(abs(actual - drift.value))
        assert errors[0] > 1e-10  # far above rounding
        assert errors[0] / errors[1] == pytest.approx(8, rel=0.15) and errors[1] / errors[2] == pytest.approx(
            8, rel=0.1
        )
        linear = [
            abs(safety.rows(at + t * d).sum() - safety.rows(at).sum() - t * found[name].safety_slope)
            for t in (0.01, 0.005)
        ]
        assert linear[0] / linear[1] == pytest.approx(4, rel=0.15)


def test_without_a_gradient_there_is_no_direction(problem):
    """At a minimum of the capability loss nothing is gained by any step."""
    safety, _, at, rng = problem
    hessian = symmetric(rng, np.arange(1.0, SIZE + 1))
    flat = quadratic(hessian, -hessian @ at, jnp.float64)
    gradients = jnp.asarray(safety.gradient(at)), jnp.zeros(SIZE)
    found = along_descent(safety.loss(3, jnp.float64), flat, jnp.asarray(at), gradients, jnp.zeros((0, SIZE)))
    assert found == {"descent": None, "safest": None}


def test_where_every_gain_costs_safety_there_is_no_safest_direction(problem):
    """The capability gradient lies in what is to be avoided: along ∇G_s, or in the span with the top curvatures."""
    safety, _, at, _ = problem
    loss, top = safety.loss(3, jnp.float64), top_vectors(safety.hessian(at), 2)
    gradient = safety.gradient(at)
    for capability in (-gradient, gradient + 3 * np.linalg.norm(gradient) * top[0], 1e-3 * top[1]):
        gradients = jnp.asarray(gradient), jnp.asarray(capability)
        found = along_descent(loss, loss, jnp.asarray(at), gradients, jnp.asarray(top))
        assert found["safest"] is None and found["descent"] is not None
        assert found["descent"].gain_slope == pytest.approx(np.linalg.norm(capability))


def test_avoided_rows_that_are_zero_or_repeated_change_nothing(problem):
    """An adapter that starts without a safety gradient has a row of zeros to avoid."""
    safety, capability, at, _ = problem
    losses = safety.loss(3, jnp.float64), capability.loss(3, jnp.float64)
    gradients = jnp.zeros(SIZE), jnp.asarray(capability.gradient(at))
    top = top_vectors(safety.hessian(at), 2)
    plain, repeated = (
        along_descent(*losses, jnp.asarray(at), gradients, jnp.asarray(rows))["safest"]
        for rows in (top, np.concatenate([top, top, np.zeros((1, SIZE))]))
    )
    assert vars(plain) == pytest.approx(vars(repeated), rel=1e-9, abs=1e-12)
    assert plain.safety_slope == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_the_distance_for_a_gain_is_the_first_that_gains_it(seed):
    """On the way up of the parabola, for every sign of its curvature."""
    rng = np.random.default_rng(seed)
    for curvature in (rng.exponential(), -rng.exponential(), 0.0, 1e-12, -1e-12):
        step = Direction(0.0, 0.0, float(rng.exponential()), float(curvature))
        most = min(step.largest_gain, 10.0)
        for share in (1e-6, 0.3, 0.999):
            distance = step.distance_for(share * most)
            gained = distance * step.gain_slope - 0.5 * distance**2 * curvature
            assert gained == pytest.approx(share * most, rel=1e-9)
            assert step.gain_slope - distance * curvature >= 0
        assert step.distance_for(0.0) == 0.0


def test_the_largest_gain_is_reached_at_the_top_of_the_parabola_and_no_more(rng):
    """Rounding does not turn the largest gain into an error; above it there is no distance."""
    for slope, curvature in rng.exponential(size=(2000, 2)):
        step = Direction(0.0, 0.0, float(slope), float(curvature))
        assert step.largest_gain == pytest.approx(slope**2 / curvature / 2)
        assert step.distance_for(step.largest_gain) == pytest.approx(slope / curvature, rel=1e-6)
        assert step.distance_for(step.largest_gain * 1.000001) == math.inf


def test_gains_without_an_end_and_without_a_beginning():
    """Downwards for ever; and no slope to go down by."""
    assert Direction(0.0, 0.0, 2.0, -1.0).largest_gain == Direction(0.0, 0.0, 2.0, 0.0).largest_gain == math.inf
    assert Direction(0.0, 0.0, 2.0, 0.0).distance_for(3.0) == 1.5
    still = Direction(0.0, 0.0, 0.0, 1.0)
    assert still.largest_gain == 0.0 and still.distance_for(0.1) == math.inf and still.distance_for(0.0) == 0.0


@pytest.mark.parametrize("curvature", [2.0, 0.0, -2.0])
def test_the_gain_within_a_radius_is_the_best_of_the_steps_that_short(curvature):
    """By trying all of them; and never more than the loss that there is."""
    step = Direction(0.0, 0.0, 3.0, curvature)
    for radius in (0.1, 1.0, 1.5, 4.0):
        steps = np.linspace(0, radius, 100_001)
        best = (3.0 * steps - 0.5 * curvature * steps**2).max()
        assert step.gain_within(radius, math.inf) == pytest.approx(best, rel=1e-8)
        assert step.gain_within(radius, 0.2) == min(step.gain_within(radius, math.inf), 0.2)
        assert step.gain_within(radius, math.inf) <= step.largest_gain
        assert step.distance_for(step.gain_within(radius, math.inf)) <= radius * (1 + 1e-7)


def test_drift_says_where_it_goes_too_far():
    """A fall by more than the loss itself is impossible; distances that are none are refused as by theorem 3."""
    with pytest.raises(ValueError, match="finite and > 0"):
        Direction(1.0, 1.0, 1.0, 1.0).drift(0.0, "descent", 1.0)
    falling = Direction(-1.0, -2.0, 1.0, 1.0)
    near, far = (falling.drift(distance, "descent", 3.0) for distance in (1.0, 2.0))
    assert (near.value, near.status) == (-2.0, "ok")
    assert (far.value, far.status) == (-6.0, TOO_FAR)
    rising = Direction(1.0, 3.0, 1.0, 1.0).drift(2.0, "descent", 0.1)
    assert (rising.value, rising.status) == (8.0, "ok")
