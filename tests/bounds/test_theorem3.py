"""What Theorem 3's functions take and give: sides, kinds, units, edges, and the largest radius."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

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

from .softmax_balls import (
    ONE,
    curvature,
    every_bound,
    slope,
)

pytestmark = pytest.mark.filterwarnings("error")


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
