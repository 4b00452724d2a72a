"""Suprema over balls: what is found never exceeds the truth, and what is estimated never falls below what is found."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeoffbounds.curvature import suprema
from tradeoffbounds.curvature.products import ChunkedLoss
from tradeoffbounds.curvature.spectrum import random_start, spectrum
from tradeoffbounds.curvature.suprema import NOT_FINITE, Search, Suprema, Visit, exceeded, explore

from .losses import PROGRAMS, Waves, quadratic, symmetric

pytestmark = pytest.mark.usefixtures("quick_compilation")

#: Rounding of float32 gradients and their differences, relative.
ROUNDING = 1e-3
SEARCHES = st.builds(
    Search, restarts=st.integers(0, 2), ascents=st.integers(0, 4), lanczos=st.sampled_from([1, 2]),
    every_radius=st.booleans(),
)  # fmt: skip
RADII = st.lists(st.floats(0.03, 5.0), min_size=1, max_size=3)


def search(loss, centre, radii, how, seed=0):
    """`explore` from the gradient and the spectrum at the centre, as `case_two` calls it."""
    centre = jnp.asarray(centre, jnp.float32)
    gradient = loss.value_and_gradient(centre)[1]
    start = gradient if np.any(gradient) else random_start(centre.size, 0)
    return explore(loss, centre, gradient, spectrum(loss, centre, start, how.lanczos), radii, how, seed=seed)


def cubic_rows(theta, frozen, weights):
    """θ³, flat at 0, where its gradient and its curvature both vanish."""
    return weights * theta[0] ** 3


def check_order(found, radius):
    """lower <= estimate, and that by the curvatures alone, before rounding is taken care of."""
    inside = [visit for visit in found.visits if visit.distance <= radius * (1 + 1e-5)]
    largest = max(visit.gradient_norm for visit in inside)
    reach = found.visits[0].gradient_norm + radius * max(visit.curvature_estimate for visit in inside)
    assert largest <= reach * (1 + 1e-4)
    for pair in (found.lipschitz(radius), found.smoothness(radius)):
        assert 0 <= pair["lower"].value <= pair["estimate"].value


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), radii=RADII, how=SEARCHES)
def test_lower_never_exceeds_the_supremum_of_a_function_of_two_variables(seed, radii, how):
    """The supremum over the disc is known from a grid; the estimate stays above lower, and both grow with the disc."""
    rng = np.random.default_rng(seed)
    waves, centre = Waves.random(rng, 4, 2), rng.standard_normal(2).astype(np.float32)
    found = search(waves.loss(), centre, radii, how, seed)
    before = {"L": 0.0, "S": 0.0}
    for radius in sorted(radii):
        check_order(found, radius)
        truths = waves.suprema_in_plane(centre, radius)
        for name, pair, (truth, margin) in zip(
            "LS", (found.lipschitz(radius), found.smoothness(radius)), truths, strict=True
        ):
            assert pair["lower"].value <= truth * (1 + ROUNDING) + margin + 1e-5
            assert pair["estimate"].value >= before[name]
            before[name] = pair["estimate"].value


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), radii=RADII, how=SEARCHES)
def test_lower_stays_below_what_is_proved_in_many_dimensions(seed, radii, how):
    """Sums of cosines have constants that hold everywhere; lower and estimate grow with the ball."""
    rng = np.random.default_rng(seed)
    waves = Waves.random(rng, 6, 7)
    found = search(waves.loss(), rng.standard_normal(7), radii, how, seed)
    first, second, _ = waves.bounds()
    before = [0.0] * 4
    for radius in sorted(radii):
        check_order(found, radius)
        pairs = found.lipschitz(radius), found.smoothness(radius)
        assert pairs[0]["lower"].value <= first * (1 + ROUNDING) and pairs[1]["lower"].value <= second * (1 + ROUNDING)
        values = [pair[kind].value for pair in pairs for kind in ("lower", "estimate")]
        assert all(new >= old for new, old in zip(values, before, strict=True))
        before = values


def test_the_check_of_order_fails_for_an_estimate_that_is_too_small(monkeypatch, rng):
    """Its teeth: without secants, or with half of the curvature, the same searches do not pass."""
    waves, centre = Waves.random(rng, 4, 2), rng.standard_normal(2)
    how = Search(restarts=1, ascents=4, lanczos=1, every_radius=False)
    found = search(waves.loss(), centre, [2.0], how)
    check_order(found, 2.0)
    halved = [replace(visit, curvature_estimate=visit.curvature_estimate / 2) for visit in found.visits]
    with pytest.raises(AssertionError):
        check_order(Suprema(halved), 2.0)

    cubic = ChunkedLoss(cubic_rows, (), jnp.ones((1, 1)), PROGRAMS)
    check_order(search(cubic, [0.0], [2.0], how), 2.0)
    learn = suprema._Walk._learn
    monkeypatch.setattr(suprema._Walk, "_learn", lambda self, offset, norm, *_: learn(self, offset, norm, 0.0))
    with pytest.raises(AssertionError):
        check_order(search(cubic, [0.0], [2.0], how), 2.0)


@pytest.mark.parametrize("eigenvalues", [[1.0, 2, 3, 8], [-8.0, -1, 0, 5], [0.0, 0, 0, 3]])
def test_on_a_quadratic_the_constants_are_exact_up_to_the_triangle_inequality(rng, eigenvalues):
    """S is ‖H‖; sup ‖b + H z‖ lies between lower and ‖b‖ + ε‖H‖, and the ascent all but finds it."""
    hessian, slope = symmetric(rng, eigenvalues), rng.standard_normal(4)
    how = Search(restarts=3, ascents=12, lanczos=4, every_radius=True)
    found = search(quadratic(hessian, slope), np.zeros(4), [0.3, 1.0, 3.0], how)
    norm = np.abs(eigenvalues).max()
    angles = rng.standard_normal((200_000, 4))
    sphere = angles / np.linalg.norm(angles, axis=1, keepdims=True)
    for radius in (0.3, 1.0, 3.0):
        sampled = np.linalg.norm(slope + radius * sphere @ hessian, axis=1).max()
        lipschitz, smoothness = found.lipschitz(radius), found.smoothness(radius)
        assert smoothness["lower"].value == pytest.approx(norm, rel=1e-4)
        assert smoothness["estimate"].value == pytest.approx(norm, rel=1e-4)
        assert lipschitz["estimate"].value == pytest.approx(np.linalg.norm(slope) + radius * norm, rel=1e-4)
        assert 0.98 * sampled <= lipschitz["lower"].value <= lipschitz["estimate"].value * (1 + 1e-6)
        check_order(found, radius)


def wells_rows(theta, frozen, weights):
    """θ⁴/4 - θ²/2: two wells, whose curvature 3θ² - 1 is largest at the rim and -1 at the centre."""
    return weights * (theta[0] ** 4 / 4 - theta[0] ** 2 / 2)


@pytest.mark.parametrize(("radius", "lipschitz", "smoothness"), [(0.5, 0.375, 1.0), (0.8, 0.3849, 1.0), (2.0, 6.0, 11)])
def test_two_wells_in_one_dimension(radius, lipschitz, smoothness):
    """No gradient at the centre, so random starts alone see anything; climbing may lead back to the centre."""
    loss = ChunkedLoss(wells_rows, (), jnp.ones((1, 1)), PROGRAMS)
    found = search(loss, [0.0], [radius], Search(restarts=2, ascents=8, lanczos=1, every_radius=True))
    assert found.visits[0].gradient_norm == 0.0
    assert 0.9 * lipschitz <= found.lipschitz(radius)["lower"].value <= lipschitz * (1 + 1e-4)
    assert 0.9 * smoothness <= found.smoothness(radius)["lower"].value <= smoothness * (1 + 1e-4)
    check_order(found, radius)


def test_climbing_through_the_centre_is_no_error():
    """From the rim of a ball one ascent of the ball's radius may end exactly where it all began."""

    def hill(theta, frozen, weights):
        return weights * jnp.cos(theta[0] - 1.0)

    loss = ChunkedLoss(hill, (), jnp.ones((1, 1)))
    for radius in (1.0, 3.0, 4.0):
        found = search(loss, [0.0], [radius], Search(restarts=1, ascents=4, lanczos=1, every_radius=True))
        assert 0.0 in [visit.distance for visit in found.visits[1:]]
        assert found.lipschitz(radius)["lower"].value <= 1.0 + 1e-6
        check_order(found, radius)


def test_starts_without_a_gradient_are_not_climbed_from():
    """Both rims of this ball are bottoms of wells: lower is 0 and true, the estimate comes from curvature alone."""
    loss = ChunkedLoss(wells_rows, (), jnp.ones((1, 1)), PROGRAMS)
    found = search(loss, [0.0], [1.0], Search(restarts=2, ascents=8, lanczos=1, every_radius=True))
    assert found.lipschitz(1.0)["lower"].value == 0.0 and found.lipschitz(1.0)["estimate"].value >= 0.3849
    assert found.smoothness(1.0)["lower"].value == pytest.approx(2.0, rel=1e-4)


def test_without_a_gradient_and_without_restarts_only_the_centre_is_known():
    """The quick search at a stationary point: nothing is climbed, the curvature of the centre still counts."""
    found = search(quadratic(np.diag([2.0, -3.0]), np.zeros(2)), np.zeros(2), [1.0], Search(0, 3, 2, True))
    assert len(found.visits) == 1 and found.lipschitz(1.0)["lower"].value == 0.0
    assert found.lipschitz(1.0)["estimate"].value == pytest.approx(3.0, rel=1e-5)


def test_a_secant_shows_curvature_that_the_centre_does_not_have():
    """From the flat centre of θ³ to 2 its slope rises by 12 in a distance of 2, and 6θ is 12 there."""
    loss = ChunkedLoss(cubic_rows, (), jnp.ones((1, 1)), PROGRAMS)
    found = search(loss, [0.0], [1.0, 2.0], Search(restarts=1, ascents=0, lanczos=1, every_radius=False))
    assert found.visits[0].curvature == 0.0
    assert found.smoothness(1.0)["lower"].value == pytest.approx(3.0, rel=1e-5)  # a secant alone
    assert found.smoothness(2.0)["lower"].value == pytest.approx(12.0, rel=1e-5)  # Lanczos at the rim
    check_order(found, 2.0)


def barrier_rows(theta, frozen, weights):
    """No number where θ_0 >= 1, though the formula of its gradient has a value there."""
    return weights * (-jnp.log(1 - theta[0]) + 0.1 * theta.sum())


def test_where_the_loss_is_not_finite_the_estimate_is_infinite_and_says_so():
    """Balls that stay clear of it keep their estimates; lower is finite in all of them."""
    loss = ChunkedLoss(barrier_rows, (), jnp.ones((1, 1)))
    found = search(loss, np.zeros(3), [0.5, 2.0], Search(restarts=1, ascents=2, lanczos=2, every_radius=True))
    for pair in (found.lipschitz(0.5), found.smoothness(0.5)):
        assert math.isfinite(pair["estimate"].value) and pair["estimate"].status == "ok"
    for pair in (found.lipschitz(2.0), found.smoothness(2.0)):
        assert pair["estimate"].value == math.inf and pair["estimate"].status == NOT_FINITE
        assert math.isfinite(pair["lower"].value) and pair["lower"].value > 0


def root_rows(theta, frozen, weights):
    """Its gradient 3 - √(1 - θ) is largest at 1, where the curvature is infinite."""
    return weights * (3 * theta[0] + 2 / 3 * (1 - theta[0]) ** 1.5)


@pytest.mark.parametrize("ascents", [0, 3])
def test_where_the_hessian_alone_is_not_finite_the_estimate_is_infinite(ascents):
    """Whether Lanczos or a climb meets it, the search does not stop with an error."""
    loss = ChunkedLoss(root_rows, (), jnp.ones((1, 1)), PROGRAMS)
    found = search(loss, [0.0], [0.5, 1.0], Search(restarts=0, ascents=ascents, lanczos=1, every_radius=False))
    assert found.lipschitz(1.0)["lower"].value == pytest.approx(3.0)
    for pair in (found.lipschitz(1.0), found.smoothness(1.0)):
        assert pair["estimate"].value == math.inf and pair["estimate"].status == NOT_FINITE
        assert math.isfinite(pair["lower"].value)
    assert math.isfinite(found.smoothness(0.5)["estimate"].value)


def test_every_visit_lies_in_the_largest_ball_and_is_reported(rng, monkeypatch):
    """No point is looked at outside; progress counts the gradients computed."""
    waves, seen, computed = Waves.random(rng, 4, 2), [], []
    loss, centre = waves.loss(), jnp.zeros(2)
    gradient = loss.value_and_gradient(centre)[1]
    at_centre = spectrum(loss, centre, gradient, 2)
    plain = ChunkedLoss.value_and_gradient

    def counted(self, theta):
        computed.append(float(jnp.linalg.norm(theta - centre)))
        return plain(self, theta)

    monkeypatch.setattr(ChunkedLoss, "value_and_gradient", counted)
    how = Search(restarts=2, ascents=3, lanczos=2, every_radius=True)
    explore(loss, centre, gradient, at_centre, [2.0, 0.5], how, seed=0, on_point=lambda: seen.append(None))
    assert max(computed) <= 2.0 * (1 + 1e-5)
    assert len(seen) == len(computed) >= 2 * (2 + 2)


def test_exceeded_counts_points_above_the_estimates():
    """Shares of the points given, for gradient and curvature apart; equality is not above."""
    found = Suprema([Visit(0.0, 1.0, 2.0, 2.0)])  # estimates in the ball of radius 0.5: L = 2, S = 2
    points = [Visit(0.1, 1.9, 2.1), Visit(0.2, 2.1, 1.0), Visit(0.3, 2.0, 2.0), Visit(0.4, 5.0, 3.0)]
    assert exceeded(found, 0.5, points) == {"gradient": 0.5, "curvature": 0.5}
