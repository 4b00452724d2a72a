"""A bound keeps its side, weakest kind and doubts through any arithmetic, and fails to the vacuous side."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from tradeoffbounds.bounds.bound import (
    ASSUMPTIONS,
    KINDS,
    NATS,
    PROBABILITY,
    Bound,
    exact,
    product,
    tightest,
    weakest,
)


def sampled(value, kind="certified", side="upper", confidence=0.95, **rest):
    return Bound(value, kind, side, interval=(value - 0.1, value + 0.1), confidence=confidence, **rest)


def test_kinds_run_from_the_strongest_claim_to_the_weakest():
    assert KINDS == ("certified", "measured", "estimated", "predicted")
    assert weakest("measured", "certified", "estimated") == "estimated"


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_a_sum_keeps_the_weaker_kind(first, second):
    total = Bound(1.0, first) + Bound(2.0, second)
    assert total.value == 3.0
    assert KINDS.index(total.kind) == max(KINDS.index(first), KINDS.index(second))


@pytest.mark.parametrize(
    ("first", "second", "side"),
    [
        ("upper", "upper", "upper"),
        ("upper", "value", "upper"),
        ("value", "lower", "lower"),
        ("value", "value", "value"),
    ],
)
def test_a_sum_keeps_the_common_side(first, second, side):
    assert (exact(1.0, side=first) + exact(1.0, side=second)).side == side
    assert (exact(1.0, side=second) + exact(1.0, side=first)).side == side


def test_an_upper_and_a_lower_bound_do_not_add_up():
    upper, lower = exact(1.0, side="upper"), exact(1.0, side="lower")
    for operation in (
        lambda: upper + lower,
        lambda: lower + upper,
        lambda: upper - upper,
        lambda: lower - lower,
    ):
        with pytest.raises(TypeError, match="upper and a lower bound do not add up"):
            operation()
    assert (upper - lower).side == "upper"
    assert (lower - upper).side == "lower"


def test_a_negative_factor_turns_the_side_and_the_interval():
    bound = -2.0 * sampled(1.0)
    assert (bound.value, bound.side) == (-2.0, "lower")
    assert bound.interval == pytest.approx((-2.2, -1.8))
    assert (-exact(1.0, side="lower")).side == "upper"
    assert (-exact(1.0)).side == "value"
    assert (sampled(1.0) * 3.0).side == "upper"


def test_units_do_not_mix():
    with pytest.raises(TypeError, match="cannot add probability to nats"):
        exact(1.0, unit=NATS) + exact(1.0, unit=PROBABILITY)


@pytest.mark.parametrize("operation", [lambda b: b + 1.0, lambda b: 1.0 + b, lambda b: b - 1.0, lambda b: b * b])
def test_naked_numbers_and_products_of_bounds_are_refused(unchecked_shapes, operation):
    with pytest.raises(TypeError):
        operation(exact(1.0))


@pytest.mark.parametrize(
    "bound",
    [
        Bound(math.nan, "certified", "upper"),
        exact(math.inf, side="upper") * 0.0,
        exact(math.inf, side="upper") + exact(-math.inf, side="upper"),
    ],
)
def test_not_a_number_is_vacuous(bound):
    assert bound.value == math.inf
    assert bound.status == "vacuous: not a number"
    assert (-bound).value == -math.inf


def test_not_a_number_as_a_lower_bound_is_minus_infinity_and_as_a_value_an_error():
    assert Bound(math.nan, "certified", "lower").value == -math.inf
    with pytest.raises(ValueError, match="theorem 9 is not a number"):
        exact(math.nan, "theorem 9")


def test_an_interval_end_that_is_not_a_number_opens_the_interval():
    assert Bound(1.0, "measured", interval=(math.nan, 2.0)).interval == (-math.inf, 2.0)
    assert Bound(1.0, "measured", interval=(0.0, math.nan)).interval == (0.0, math.inf)
    assert (Bound(1.0, "measured", interval=(0.5, math.inf)) * 0.0).interval == (0.0, math.inf)


def test_intervals_add_and_their_doubts_do_too():
    total = sampled(1.0, confidence=0.95) + sampled(2.0, confidence=0.99)
    assert total.interval == pytest.approx((2.8, 3.2))
    assert total.confidence == pytest.approx(0.94)
    shifted = sampled(1.0, confidence=0.95) + exact(2.0)
    assert shifted.interval == pytest.approx((2.9, 3.1))
    assert shifted.confidence == pytest.approx(0.95)
    assert (sampled(1.0, confidence=0.4) + sampled(1.0, confidence=0.4)).confidence == 0.0
    assert (exact(1.0) + exact(2.0)).interval is None


def test_a_sum_unites_assumptions_methods_theorems_and_remarks():
    first = Bound(1.0, "measured", method="bootstrap", assumptions=("iid",), theorem="a", status="few rows")
    second = Bound(1.0, "measured", method="exact", assumptions=("A2", "iid"), theorem="b", status="clipped")
    total = first + second
    assert total.assumptions == ("A2", "iid")
    assert total.method == "bootstrap + exact"
    assert total.theorem == "a + b"
    assert total.status == "few rows; clipped"


def test_unknown_assumptions_are_refused_by_name():
    with pytest.raises(ValueError, match=r"unknown assumptions \['A7'\]; known: .*'A1'"):
        Bound(1.0, "certified", assumptions=("A1", "A7"))
    with pytest.raises(ValueError, match="unknown assumptions"):
        exact(1.0).named("theorem", "A7")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "proved"}, "`kind` must be one of"),
        ({"side": "above"}, "`side` must be upper, lower or value"),
        ({"interval": (2.0, 1.0)}, r"`interval` must be ordered, got \(2.0, 1.0\)"),
    ],
)
def test_malformed_bounds_are_refused(unchecked_shapes, arguments, message):
    with pytest.raises(ValueError, match=message):
        Bound(**({"value": 1.0, "kind": "certified"} | arguments))


def test_naming_takes_a_side_but_never_changes_one():
    named = exact(1.0).named("theorem 2", "A2", side="upper")
    assert (named.side, named.theorem, named.assumptions) == ("upper", "theorem 2", ("A2",))
    assert named.named("again", "A1").assumptions == ("A1", "A2")
    with pytest.raises(TypeError, match="an upper bound cannot become lower"):
        named.named("theorem 2", side="lower")


def test_an_estimate_gives_up_its_side_in_the_open():
    estimate = (exact(1.0, side="upper")).as_estimate("plug-in")
    assert (estimate.kind, estimate.side, estimate.status) == ("estimated", "value", "plug-in")
    assert Bound(1.0, "predicted").as_estimate("plug-in").kind == "predicted"


def test_tightest_is_the_smallest_under_its_own_name():
    best = tightest([exact(2.0, "a"), Bound(1.0, "estimated", "upper", theorem="b")], "minimum")
    assert (best.value, best.kind, best.side, best.theorem) == (1.0, "estimated", "upper", "minimum = b")
    assert tightest([exact(math.inf), exact(math.inf)], "m").value == math.inf


def test_tightest_pays_for_choosing_after_looking():
    assert tightest([sampled(1.0), sampled(2.0, confidence=0.99)], "m").confidence == pytest.approx(0.94)
    assert tightest([exact(0.5), sampled(2.0)], "m").confidence is None


def test_tightest_refuses_lower_bounds_and_nothing():
    with pytest.raises(TypeError, match="a lower bound cannot be among upper bounds"):
        tightest([exact(1.0), exact(2.0, side="lower")], "m")
    with pytest.raises(ValueError, match="at least one bound"):
        tightest([], "m")


def test_json_of_infinity_is_null_and_says_so():
    bound = Bound(math.inf, "certified", "upper", interval=(0.0, math.inf), assumptions=("A1",), status="vacuous")
    record = json.loads(json.dumps(bound.to_json(), allow_nan=False))
    assert record["value"] is None
    assert record["infinite"] is True
    assert record["interval"] == [0.0, None]
    assert record["status"] == "vacuous"


def test_json_of_a_bound_carries_all_that_a_reader_needs():
    assert sampled(0.25, "measured", theorem="t", assumptions=("iid",), method="bootstrap").to_json() == {
        "value": 0.25, "unit": "nats/response", "kind": "measured", "side": "upper",
        "interval": [pytest.approx(0.15), pytest.approx(0.35)], "confidence": 0.95, "method": "bootstrap",
        "assumptions": ["iid"], "theorem": "t",
    }  # fmt: skip


# Random expressions: ("leaf", Bound), ("neg" | "named" | "estimate", e), ("times", e, factor),
# ("+" | "-", e, e), ("tightest", [e, ...]).
numbers = st.floats(-1e6, 1e6) | st.sampled_from([math.inf, -math.inf, 0.0])
leaves = st.builds(
    lambda value, kind, side, assumption, confidence: (
        "leaf",
        Bound(
            value, kind, side, assumptions=(assumption,), confidence=confidence,
            interval=None if confidence is None else (value, value),
        ),
    ),
    numbers, st.sampled_from(KINDS), st.sampled_from(["upper", "lower", "value"]),
    st.sampled_from(sorted(ASSUMPTIONS)), st.none() | st.floats(0.5, 1.0),
)  # fmt: skip
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.tuples(st.sampled_from(["neg", "named", "estimate"]), inner)
        | st.tuples(st.just("times"), inner, numbers)
        | st.tuples(st.sampled_from(["+", "-"]), inner, inner)
        | st.tuples(st.just("tightest"), st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=12,
)


def evaluate(expression):
    """The expression's bound, and the leaves that its value is made of."""
    match expression:
        case ("leaf", bound):
            return bound, [bound]
        case ("neg" | "named" | "estimate" as name, inner):
            bound, used = evaluate(inner)
            changed = {
                "neg": bound.__neg__,
                "named": lambda: bound.named("t"),
                "estimate": lambda: bound.as_estimate("e"),
            }
            return changed[name](), used
        case ("times", inner, factor):
            bound, used = evaluate(inner)
            return bound * factor, used
        case ("tightest", inner):
            results = [evaluate(each) for each in inner]
            smallest = min(results, key=lambda result: result[0].value)
            return tightest([bound for bound, _ in results], "m"), smallest[1]
        case (sign, left, right):
            (first, used_first), (second, used_second) = evaluate(left), evaluate(right)
            return (first + second if sign == "+" else first - second), used_first + used_second


@given(expressions)
@settings(max_examples=500, deadline=None)
def test_no_arithmetic_strengthens_a_claim(expression):
    try:
        bound, used = evaluate(expression)
    except TypeCheckError:
        raise
    except (TypeError, ValueError):
        reject()  # an upper plus a lower bound, inf - inf: an error is the other honest answer
    assert KINDS.index(bound.kind) >= max(KINDS.index(leaf.kind) for leaf in used)
    assert set(bound.assumptions) >= {name for leaf in used for name in leaf.assumptions}
    levels = [leaf.confidence for leaf in used if leaf.confidence is not None]
    if levels:
        assert bound.confidence <= min(levels) + 1e-12
    assert not math.isnan(bound.value)
    assert bound.interval is None or not any(map(math.isnan, bound.interval))
    json.dumps(bound.to_json(), allow_nan=False)


def test_product_multiplies_values_and_intervals_and_keeps_the_weaker_kind():
    size = Bound(2.0, "estimated", interval=(1.0, 3.0), confidence=0.95, assumptions=("A1",))
    share = Bound(0.5, "certified", "upper", PROBABILITY, interval=(0.4, 0.6), confidence=0.9)
    result = product(size, share, "B TV")
    assert (result.value, result.interval) == (1.0, pytest.approx((0.4, 1.8)))
    assert (result.kind, result.side, result.unit, result.theorem) == ("estimated", "upper", size.unit, "B TV")
    assert result.confidence == pytest.approx(0.85)
    assert result.assumptions == ("A1",)


def test_product_refuses_negative_factors_and_opposite_sides():
    with pytest.raises(ValueError, match=">= 0"):
        product(exact(-1.0), exact(1.0), "")
    with pytest.raises(TypeError, match="upper and a lower"):
        product(exact(1.0, side="upper"), exact(1.0, side="lower"), "")
