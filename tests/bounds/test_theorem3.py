"""Theorem 3 against searched and certified extrema of 1,000 softmax problems, exact quadratics, and its edges."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, xlogy

from tradeoffbounds.bounds import linear_softmax
from tradeoffbounds.bounds.bound import KINDS, NATS, NATS_PER_RESPONSE, PER_UNIT, PER_UNIT_SQUARED, Bound, exact
from tradeoffbounds.bounds.theorem3 import (
    capability_lower,
    capability_upper,
    drift,
    largest_radius,
    largest_radius_paper,
    paper,
    refined,
)

pytestmark = pytest.mark.filterwarnings("error")

PROBLEMS = 1000
ONE = exact(1.0)


def slope(value, kind="certified", side="value", **rest):
    return Bound(value, kind, side, PER_UNIT, **rest)


def curvature(value, kind="certified", side="value", **rest):
    return Bound(value, kind, side, PER_UNIT_SQUARED, **rest)


def every_bound(start, lipschitz, gradient_norm, smoothness, radius):
    """The four bounds of a function whose constants are given as numbers."""
    start, gradient_norm, smoothness = exact(start), slope(gradient_norm), curvature(smoothness)
    return {
        "paper": paper(start, slope(lipschitz), radius).value,
        "refined": refined(start, gradient_norm, smoothness, radius).value,
        "upper": capability_upper(start, gradient_norm, smoothness, radius).value,
        "lower": capability_lower(start, gradient_norm, smoothness, radius).value,
    }


# 1,000 softmax problems with certified constants


@dataclass
class Softmax:
    """Mean over responses of Σ_t KL(q_t | softmax(W h_t)), for many problems at once, padded to one shape.

    ``features`` (p, n, d), ``targets`` (p, n, v), ``shares`` (p, n) = 1 / responses, ``absent`` (p, 1, v) is
    -inf where the vocabulary of a problem ends. Unused tokens have h = 0 and share 0.
    """

    features: np.ndarray
    targets: np.ndarray
    shares: np.ndarray
    absent: np.ndarray

    def __getitem__(self, chosen):
        return Softmax(self.features[chosen], self.targets[chosen], self.shares[chosen], self.absent[chosen])

    def __call__(self, weights):
        logits = self.features @ weights.transpose(0, 2, 1)
        normaliser = logsumexp(logits + self.absent, axis=2)
        divergence = normaliser + (xlogy(self.targets, self.targets) - self.targets * logits).sum(axis=2)
        return (self.shares * divergence).sum(axis=1)

    def gradient(self, weights):
        logits = self.features @ weights.transpose(0, 2, 1) + self.absent
        odds = np.exp(logits - logits.max(axis=2, keepdims=True))
        errors = odds / odds.sum(axis=2, keepdims=True) - self.targets
        return (errors * self.shares[:, :, None]).transpose(0, 2, 1) @ self.features

    def constants(self):
        """(L, S) of every problem, by `linear_softmax`."""
        pairs = []
        for features, shares in zip(self.features, self.shares, strict=True):
            norms, responses = np.linalg.norm(features[shares > 0], axis=1), round(1 / shares.max())
            pairs.append((linear_softmax.lipschitz(norms, responses), linear_softmax.smoothness(norms, responses)))
        return pairs


def random_softmax(rng, vocabularies, dimensions):
    """Hard or soft labels; one to four responses of one to four tokens; features of any scale."""
    count = len(vocabularies)
    rows, longest = rng.integers(1, 5, size=count), 4
    lengths = rng.integers(1, longest + 1, size=(count, 4)) * (np.arange(4) < rows[:, None])
    used = (np.arange(longest) < lengths[:, :, None]).reshape(count, -1)
    width = np.arange(5) < dimensions[:, None]
    scales = 10 ** rng.uniform(-1.5, 1, size=(count, 1, 1)) * 10 ** rng.uniform(-0.5, 0.5, size=(*used.shape, 1))
    features = rng.normal(size=(*used.shape, 5)) * scales * width[:, None, :] * used[:, :, None]
    present = np.arange(6) < vocabularies[:, None, None]
    soft = rng.gamma(0.5, size=(*used.shape, 6)) * present + 1e-9 * present
    hard = np.eye(6)[rng.integers(vocabularies[:, None], size=used.shape)]
    targets = np.where(rng.random(count)[:, None, None] < 0.5, hard, soft / soft.sum(axis=2, keepdims=True))
    return Softmax(features, targets, used / rows[:, None], np.where(present, 0.0, -np.inf))


def inner(first, second):
    return (first * second).sum(axis=(1, 2), keepdims=True)


def norm(weights):
    return np.sqrt(inner(weights, weights))


def unit(weights):
    return weights / np.maximum(norm(weights), 1e-300)


def project(weights, centre, radius):
    step = weights - centre
    return centre + step * np.minimum(1.0, radius / np.maximum(norm(step), 1e-300))


def largest_found(loss, centre, radius, starts):
    """Projected gradient ascent with the longest step; the loss is convex, so that every step ascends."""
    best = np.full(len(centre), -np.inf)
    for start in starts:
        weights = project(start, centre, radius)
        for _ in range(20):
            best = np.maximum(best, loss(weights))
            weights = centre + radius * unit(loss.gradient(weights))
        best = np.maximum(best, loss(weights))
    return best


def smallest_found(loss, centre, radius, smoothness, enough):
    """(below, found) with below <= min over the ball <= found: Frank and Wolfe's duality gap of a convex loss.

    Accelerated projected descent, restarted when its step turns back; a problem leaves at a gap <= ``enough``.
    """
    below, found = np.full(len(centre), -np.inf), np.full(len(centre), np.inf)
    open_, points, ahead, momentum = np.arange(len(centre)), centre, centre, np.ones((len(centre), 1, 1))
    for step in range(20_000):
        part, middle, reach = loss[open_], centre[open_], radius[open_]
        if step % 50 == 0:
            value, gradient = part(points), part.gradient(points)
            gap = (inner(gradient, points - middle) + reach * norm(gradient)).ravel()
            found[open_] = np.minimum(found[open_], value)
            below[open_] = np.maximum(below[open_], value - gap)
            going = (found - below > enough)[open_]
            open_, points, ahead, momentum = open_[going], points[going], ahead[going], momentum[going]
            part, middle, reach = loss[open_], centre[open_], radius[open_]
        if not len(open_):
            break
        moved = project(ahead - part.gradient(ahead) / smoothness[open_], middle, reach)
        back = inner(ahead - moved, moved - points) > 0
        longer = np.where(back, 1.0, (1 + np.sqrt(1 + 4 * momentum**2)) / 2)
        ahead = moved + np.where(back, 0.0, (momentum - 1) / longer) * (moved - points)
        points, momentum = moved, longer
    return below, found


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


# what goes in, what comes out


def all_bounds(start=ONE, constant=1.0, gradient_norm=None, smoothness=None, lipschitz=None, radius=1.0):
    """The four bounds, in the order paper, refined, capability_upper, capability_lower."""
    arguments = start, gradient_norm or slope(constant), smoothness or curvature(constant), radius
    return [
        paper(start, lipschitz or slope(constant), radius), refined(*arguments),
        capability_upper(*arguments), capability_lower(*arguments),
    ]  # fmt: skip


@pytest.mark.parametrize("radius", [0.0, -1.0, math.inf, math.nan])
def test_a_radius_must_be_finite_and_positive(radius):
    for function, *arguments in (
        (paper, ONE, slope(1.0)),
        (refined, ONE, slope(1.0), curvature(1.0)),
        (capability_upper, ONE, slope(1.0), curvature(1.0)),
        (capability_lower, ONE, slope(1.0), curvature(1.0)),
    ):
        with pytest.raises(ValueError, match=rf"`radius` must be finite and > 0, got {radius}"):
            function(*arguments, radius)
    with pytest.raises(ValueError, match=rf"`distance` must be finite and > 0, got {radius}"):
        drift(slope(1.0), curvature(1.0), radius)


@pytest.mark.parametrize("function", [refined, capability_upper, capability_lower])
def test_a_negative_constant_is_refused(function):
    with pytest.raises(ValueError, match=r"`gradient_norm` is a norm .* >= 0; got -0\.5"):
        function(ONE, slope(-0.5), curvature(1.0), 1.0)
    with pytest.raises(ValueError, match=r"`smoothness` is a norm .* >= 0; got -0\.5"):
        function(ONE, slope(1.0), curvature(-0.5), 1.0)


def test_a_negative_lipschitz_constant_is_refused():
    for call in (paper, lambda start, lipschitz, _: largest_radius_paper(2.0, start, lipschitz)):
        with pytest.raises(ValueError, match=r"`lipschitz` is a norm .* >= 0; got -0\.5"):
            call(ONE, slope(-0.5), 1.0)


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (paper, {"start": "lower", "lipschitz": "lower"}),
        (refined, {"start": "lower", "gradient_norm": "lower", "smoothness": "lower"}),
        (capability_upper, {"start": "lower", "gradient_norm": "upper", "smoothness": "lower"}),
        (capability_lower, {"start": "upper", "gradient_norm": "lower", "smoothness": "lower"}),
        (largest_radius, {"start": "lower", "gradient_norm": "lower", "smoothness": "lower"}),
        (largest_radius_paper, {"start": "lower", "lipschitz": "lower"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_argument_may_be_bounded_on_one_side_only(function, wrong):
    units = {"start": NATS_PER_RESPONSE, "smoothness": PER_UNIT_SQUARED}
    first = {"limit": 2.0} if "largest" in function.__name__ else {"radius": 1.0}
    arguments = {name: Bound(1.0, "certified", unit=units.get(name, PER_UNIT)) for name in wrong} | first
    for name, side in wrong.items():
        right = "upper" if side == "lower" else "lower"
        function(**arguments | {name: replace(arguments[name], side=right)})
        with pytest.raises(TypeError, match=f"`{name}` must be .* on the {right} side here, got side '{side}'"):
            function(**arguments | {name: replace(arguments[name], side=side)})
        with pytest.raises(TypeError, match=f"`{name}` must be in nats/response.*, got nats$"):
            function(**arguments | {name: replace(arguments[name], unit=NATS)})


def test_every_bound_says_its_side_kind_unit_assumption_and_theorem():
    bounds = all_bounds(start=exact(1.0).named("", "aligned-reference"), smoothness=curvature(1.0, side="upper"))
    assert [bound.side for bound in bounds] == ["upper", "upper", "upper", "lower"]
    assert [bound.assumptions for bound in bounds] == [("A3", "aligned-reference"), *[("A4", "aligned-reference")] * 3]
    assert [bound.theorem for bound in bounds] == [
        "theorem 3, paper", "theorem 3, refined", *["theorem 3, capability side"] * 2,
    ]  # fmt: skip
    assert {(bound.kind, bound.unit, bound.status) for bound in bounds} == {("certified", NATS_PER_RESPONSE, "ok")}


@pytest.mark.parametrize("kind", KINDS)
def test_the_weakest_kind_is_kept(kind):
    assert {bound.kind for bound in all_bounds(start=Bound(1.0, kind))} == {kind}
    assert {bound.kind for bound in all_bounds(lipschitz=slope(1.0, kind), smoothness=curvature(1.0, kind))} == {kind}
    assert {bound.kind for bound in all_bounds(gradient_norm=slope(1.0, kind))[1:]} == {kind}
    # A step of length 0 drops the smoothness from the value, not from the claim.
    assert capability_upper(ONE, slope(0.0, kind), curvature(2.0), 1.0).kind == kind


def test_infinite_constants_leave_vacuous_bounds():
    for bounds in (
        all_bounds(constant=math.inf),
        all_bounds(lipschitz=slope(math.inf), smoothness=curvature(math.inf, side="upper")),
        all_bounds(lipschitz=slope(math.inf), gradient_norm=slope(math.inf)),
    ):
        assert [bound.value for bound in bounds] == [math.inf, math.inf, 1.0, -math.inf]  # 1.0 is the start
        assert all(bound.status.startswith("vacuous: A") for bound in bounds)


@pytest.mark.parametrize("start", [math.inf, -math.inf])
@pytest.mark.parametrize("constant", [0.0, 1.0, math.inf])
def test_a_start_that_is_not_finite_leaves_nothing_either(start, constant):
    bounds = all_bounds(start=exact(start), constant=constant)
    assert [bound.value for bound in bounds] == [math.inf, math.inf, math.inf, -math.inf]
    assert all(bound.status.startswith("vacuous") for bound in bounds)


def test_products_that_overflow_are_vacuous_and_never_flatter():
    bounds = all_bounds(constant=1e300, radius=1e10)
    assert [bound.value for bound in bounds] == [math.inf, math.inf, 1.0, -math.inf]


def test_a_remark_on_an_argument_is_kept():
    doubtful = slope(1.0, status="one restart only")
    assert refined(ONE, doubtful, curvature(1.0), 1.0).status == "one restart only"
    assert refined(ONE, doubtful, curvature(math.inf), 1.0).status.endswith("not finite; one restart only")
    useless = linear_softmax.lipschitz(np.array([math.nan]), 1)
    assert paper(ONE, useless, 1.0).status == useless.status


def test_capability_upper_takes_the_end_of_the_interval_that_promises_less():
    norm_, start, smoothness = slope(1.0, "measured", interval=(0.5, 1.5), confidence=0.95), exact(2.0), curvature(1.0)
    bound = capability_upper(start, norm_, smoothness, 10.0)
    assert (bound.value, bound.interval, bound.confidence) == (1.875, (1.375, 1.875), 0.95)
    for truth in (0.5, 0.8, 1.2, 1.5):
        assert bound.value >= capability_upper(start, slope(truth), smoothness, 10.0).value
    unsure = replace(norm_, interval=(-0.1, 1.5))
    assert capability_upper(start, unsure, smoothness, 10.0).value == 2.0


def test_the_other_bounds_carry_intervals_like_any_sum():
    norm_ = slope(1.0, "measured", interval=(0.5, 1.5), confidence=0.95)
    assert refined(ONE, norm_, curvature(1.0), 2.0).interval == (4.0, 6.0)
    assert capability_lower(ONE, norm_, curvature(1.0), 2.0).interval == (-4.0, -2.0)
    assert paper(ONE, norm_, 2.0).interval == (2.0, 4.0)


def test_capability_upper_without_curvature_or_without_gradient():
    assert capability_upper(ONE, slope(0.25), curvature(0.0), 2.0).value == 0.5
    assert capability_upper(ONE, slope(0.0), curvature(3.0), 2.0).value == 1.0
    assert capability_upper(ONE, slope(0.0), curvature(0.0), 2.0).value == 1.0


# properties

sizes = st.floats(0.0, 1e6)
radii = st.floats(1e-6, 1e6)
signed = st.floats(-1e6, 1e6)


@given(st.floats(-10.0, 1e3), sizes, sizes, radii, radii)
@settings(max_examples=300, deadline=None)
def test_bounds_bracket_the_start_and_widen_with_the_radius(start, gradient_norm, smoothness, first, second):
    small, large = (
        every_bound(start, gradient_norm + smoothness, gradient_norm, smoothness, radius)
        for radius in sorted((first, second))
    )
    for bounds in (small, large):
        assert bounds["lower"] <= bounds["upper"] <= start <= min(bounds["paper"], bounds["refined"])
    rounding = 1e-12 * (abs(start) + gradient_norm * max(first, second))
    assert small["paper"] <= large["paper"]
    assert small["refined"] <= large["refined"]
    assert small["lower"] >= large["lower"]
    assert small["upper"] >= large["upper"] - rounding


@given(sizes, sizes, radii, st.floats(1.0, 1e3))
@settings(max_examples=300, deadline=None)
def test_an_overestimated_constant_never_tightens_a_bound(gradient_norm, smoothness, radius, factor):
    exactly = every_bound(1.0, gradient_norm, gradient_norm, smoothness, radius)
    loosely = every_bound(1.0, gradient_norm * factor, gradient_norm, smoothness * factor, radius)
    rounding = 1e-12 * (1 + gradient_norm * radius)
    assert all(loosely[name] >= exactly[name] - rounding for name in ("paper", "refined", "upper"))
    assert loosely["lower"] <= exactly["lower"]


@given(signed, signed, radii, st.sampled_from(KINDS))
@settings(max_examples=300, deadline=None)
def test_drift_is_the_second_order_prediction(first, second, distance, kind):
    prediction = drift(slope(first, kind), curvature(second), distance)
    expected = distance * first + 0.5 * distance**2 * second
    scale = abs(distance * first) + abs(distance**2 * second)
    assert prediction.value == pytest.approx(expected, rel=1e-12, abs=1e-12 * scale + 1e-300)
    assert (prediction.kind, prediction.side, prediction.unit) == ("predicted", "value", NATS_PER_RESPONSE)
    assert drift(slope(-first), curvature(-second), distance).value == -prediction.value
    # Inside the ball of that radius no drift is larger than the refined bound allows.
    allowed = refined(exact(0.0), slope(abs(first)), curvature(abs(second)), distance).value
    assert abs(prediction.value) <= allowed * (1 + 1e-12) + 1e-300  # subnormal numbers round by more


def test_drift_is_exact_on_a_quadratic_and_third_order_on_a_softmax():
    assert drift(slope(-0.7), curvature(0.3), 2.0).value == pytest.approx(-0.8, rel=1e-15)
    at, first = 0.4, float(expit(0.4))
    errors = [
        drift(slope(first), curvature(first * (1 - first)), t).value - (np.logaddexp(0, at + t) - np.logaddexp(0, at))
        for t in (0.1, 0.05)
    ]
    assert errors[0] / errors[1] == pytest.approx(8.0, rel=0.1)


@pytest.mark.parametrize("side", ["upper", "lower"])
def test_drift_takes_values_only(side):
    with pytest.raises(TypeError, match=f"`slope` must be a value for a prediction, got side '{side}'"):
        drift(slope(1.0, side=side), curvature(1.0), 1.0)
    with pytest.raises(TypeError, match=f"`curvature` must be a value for a prediction, got side '{side}'"):
        drift(slope(1.0), curvature(1.0, side=side), 1.0)
    with pytest.raises(TypeError, match=r"`curvature` must be in nats/response/unit\^2, got nats/response/unit$"):
        drift(slope(1.0), slope(1.0), 1.0)


# the largest radius


@pytest.mark.parametrize("start", [0.0, 1e-12, 1.0, 1e6])
@pytest.mark.parametrize("gradient_norm", [0.0, 1e-150, 1e-9, 1.0, 1e9, 1e150])
@pytest.mark.parametrize("smoothness", [0.0, 1e-150, 1e-9, 1.0, 1e9, 1e150])
def test_the_largest_radius_inverts_the_bound_and_never_breaks_the_limit(start, gradient_norm, smoothness):
    constants = exact(start), slope(gradient_norm), curvature(smoothness, side="upper")
    for room in 10.0 ** np.arange(-9, 10, 3):
        limit = start + float(room)
        radius = largest_radius(limit, *constants)
        if gradient_norm == smoothness == 0:
            assert radius == math.inf
            continue
        assert 0 < radius < math.inf
        assert refined(*constants, radius).value <= limit
        # The limit itself is rounded: a share 1e-16 · limit / room of the room may be lost.
        assert refined(*constants, radius * (1 + 1e-9 + 1e-15 * limit / float(room))).value > limit
        if gradient_norm > 0:
            radius = largest_radius_paper(limit, exact(start), slope(gradient_norm))
            assert paper(exact(start), slope(gradient_norm), radius).value <= limit
            beyond = radius * (1 + 1e-9 + 1e-15 * limit / float(room))
            assert paper(exact(start), slope(gradient_norm), beyond).value > limit


@given(sizes, radii, sizes, sizes)
@settings(max_examples=300, deadline=None)
def test_the_largest_radius_of_a_bound_is_the_radius_it_was_made_for(start, radius, gradient_norm, smoothness):
    constants = exact(start), slope(gradient_norm + 1e-6), curvature(smoothness)
    limit = refined(*constants, radius).value
    room = limit - start
    if room > 1e-6 * start:
        assert largest_radius(limit, *constants) == pytest.approx(radius, rel=1e-12 * (1 + limit / room))


def test_the_largest_radius_does_not_cancel():
    assert largest_radius(1.0, exact(0.0), slope(1e8), curvature(1e-8)) == pytest.approx(1e-8, rel=1e-12)


def test_the_largest_radius_at_its_edges():
    flat, level = slope(0.0), curvature(0.0)
    for limit, start in ((2.0, 1.0), (1.0, 1.0)):
        assert largest_radius(limit, exact(start), flat, level) == math.inf
        assert largest_radius_paper(limit, exact(start), flat) == math.inf
    assert largest_radius(1.0, ONE, slope(1.0), level) == largest_radius(1.0, ONE, flat, curvature(1.0)) == 0.0
    for start in (1.5, math.inf, -math.inf):
        assert largest_radius(1.0, exact(start), flat, level) == 0.0
        assert largest_radius_paper(1.0, exact(start), flat) == 0.0
    assert largest_radius(2.0, ONE, slope(math.inf), level) == largest_radius_paper(2.0, ONE, slope(math.inf)) == 0.0
    assert largest_radius(2.0, ONE, flat, curvature(math.inf)) == 0.0
    assert largest_radius(2.0, ONE, slope(1.0), level) == largest_radius_paper(2.0, ONE, slope(1.0)) == 1.0


@pytest.mark.parametrize("limit", [math.inf, -math.inf, math.nan])
def test_a_limit_must_be_finite(limit):
    with pytest.raises(ValueError, match=f"`limit` must be finite, got {limit}"):
        largest_radius(limit, ONE, slope(1.0), curvature(1.0))
    with pytest.raises(ValueError, match=f"`limit` must be finite, got {limit}"):
        largest_radius_paper(limit, ONE, slope(1.0))
