"""A judgement says "holds" exactly where the bound does, and flatters neither weak bounds nor noisy observations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeoffbounds.bounds.bound import NATS, Bound
from tradeoffbounds.bounds.finite_bounds import Checked
from tradeoffbounds.bounds.tightness import judge

INF = math.inf


def upper(value, **rest):
    return Bound(value, "certified", "upper", **rest)


def lower(value):
    return Bound(value, "certified", "lower")


def seen(value, low=None, high=None):
    interval = None if low is None else (low, high)
    return Bound(value, "measured", interval=interval, confidence=0.95 if interval else None)


@pytest.mark.parametrize(
    ("bound", "observed", "tightness", "word"),
    [
        (1.0, 1.0, 1.0, "tight"),
        (2.0, 1.0, 2.0, "tight"),
        (2.001, 1.0, 2.001, "loose"),
        (10.0, 1.0, 10.0, "loose"),
        (10.01, 1.0, 10.01, "far"),
        (INF, 1.0, INF, "vacuous"),
        (INF, INF, INF, "vacuous"),
        (0.5, 1.0, 0.5, "violated"),
        (1.0, INF, 0.0, "violated"),
        (0.0, 0.0, 1.0, "tight"),
        (1e-13, 0.0, 1.0, "tight"),
        (0.1, 0.0, INF, "far"),
        (0.0, 0.1, 0.0, "violated"),
        # A gap below that of the reference: no ratio measures a positive bound against it.
        (1.0, -0.01, INF, "far"),
        (0.0, -1.0, INF, "far"),
        (-0.1, 1.0, 0.0, "violated"),
        # A negative bound promises a fall by at least that much.
        (-1.0, -1.5, 1.5, "tight"),
        (-1.0, -5.0, 5.0, "loose"),
        (-1.0, -50.0, 50.0, "far"),
        (-2.0, -1.0, 0.5, "violated"),
        (-INF, 1.0, 0.0, "violated"),
    ],
)
def test_an_upper_bound_and_its_mirror_image(bound, observed, tightness, word):
    judged = judge(upper(bound), seen(observed))
    assert (judged.word, judged.certain) == (word, True)
    assert judged.tightness == pytest.approx(tightness)
    assert judge(lower(-bound), seen(-observed)) == judged


@pytest.mark.parametrize(
    ("bound", "observed", "tightness", "word"),
    [
        (0.5, 1.0, 2.0, "tight"),
        (0.05, 1.0, 20.0, "far"),
        (-INF, 1.0, INF, "vacuous"),
        (1.5, 1.0, 2 / 3, "violated"),
        # What a fine-tune inside a ball gains: at most 3, and 2 of them it did.
        (-3.0, -2.0, 1.5, "tight"),
        (-3.0, 0.5, INF, "far"),
    ],
)
def test_a_lower_bound(bound, observed, tightness, word):
    judged = judge(lower(bound), seen(observed))
    assert (judged.word, judged.certain) == (word, True)
    assert judged.tightness == pytest.approx(tightness)


@pytest.mark.parametrize(
    ("bound", "observed", "trivial", "word"),
    [
        (upper(0.69), seen(0.5), upper(math.log(2)), "tight"),
        (upper(math.log(2)), seen(0.5), upper(math.log(2)), "vacuous"),
        (upper(math.log(2) * (1 - 1e-12)), seen(0.5), seen(math.log(2)), "vacuous"),
        (upper(5.0), seen(0.5), upper(math.log(2)), "vacuous"),
        (upper(0.9), seen(1.0), upper(math.log(2)), "violated"),  # and so is what is known without data
        (lower(0.0), seen(1.0), lower(0.0), "vacuous"),
        (lower(-1.0), seen(1.0), lower(0.0), "vacuous"),
        (lower(0.6), seen(1.0), lower(0.0), "tight"),
        (upper(3.0), seen(2.0), upper(INF), "tight"),
    ],
)
def test_no_better_than_what_is_known_without_data_is_vacuous(bound, observed, trivial, word):
    assert judge(bound, observed, trivial).word == word


@pytest.mark.parametrize(
    ("bound", "observed", "sentence"),
    [
        (upper(2.0), seen(1.5, 1.0, 1.9), "holds, tight"),
        (upper(2.0), seen(0.5), "holds, loose"),
        (upper(2.0), seen(0.1), "holds, far"),
        (upper(INF), seen(0.1, -INF, INF), "vacuous"),
        (upper(1.0), seen(1.5, 1.2, 1.9), "violated"),
        (upper(1.0), seen(1.5, 0.9, 1.9), "violated, within sampling error"),
        (lower(1.0), seen(0.5, 0.4, 0.6), "violated"),
        (lower(1.0), seen(0.5, 0.4, 1.1), "violated, within sampling error"),
    ],
)
def test_sentences(bound, observed, sentence):
    assert judge(bound, observed).sentence() == sentence


@pytest.mark.parametrize(
    ("bound", "observed", "certain"),
    [
        (upper(2.0), seen(1.5, 1.0, 2.0), True),
        (upper(2.0), seen(1.5, 1.0, 2.1), False),
        (upper(1.0), seen(1.5, 1.0, 2.1), False),
        (upper(2.0), seen(1.5, -INF, 1.6), True),
        (upper(2.0), seen(1.5, 1.0, INF), False),
        (lower(1.0), seen(1.5, 1.1, INF), True),
        (lower(1.0), seen(1.5, 0.9, 2.0), False),
        # An interval may miss its own number, which then still counts.
        (upper(2.0), seen(2.5, 1.0, 1.5), False),
    ],
)
def test_an_interval_that_reaches_across_the_bound_leaves_doubt(bound, observed, certain):
    assert judge(bound, observed).certain is certain


def test_a_value_is_judged_as_the_caller_says():
    estimate = seen(2.0)
    assert judge(estimate, seen(1.0), side="upper").sentence() == "holds, tight"
    assert judge(estimate, seen(1.0), side="lower").sentence() == "violated"
    assert judge(upper(2.0), seen(1.0), side="upper").sentence() == "holds, tight"


@pytest.mark.parametrize(
    ("arguments", "side", "message"),
    [
        ((seen(1.0), seen(1.0)), None, "give `side`"),
        ((upper(1.0), seen(1.0)), "lower", "`side` is 'lower', but `bound` is upper"),
        ((upper(1.0), upper(1.0)), None, "`observed` must be the quantity itself"),
        ((upper(1.0, unit=NATS), seen(1.0)), None, "`observed` must be in nats like the bound, got nats/response"),
        ((upper(1.0), seen(1.0), upper(1.0, unit=NATS)), None, "`trivial` must be in nats/response"),
        ((upper(1.0), seen(1.0), lower(0.0)), None, "`trivial` must bound on the upper side"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, side, message):
    with pytest.raises(ValueError, match=message):
        judge(*arguments, side=side)


numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, INF, -INF])
finite = st.floats(-1e6, 1e6)


@given(numbers, numbers, numbers)
def test_holds_and_tightness_agree_with_the_numbers(bound, observed, trivial):
    judged = judge(upper(bound), seen(observed), upper(trivial))
    holds = Checked(upper(bound), observed).holds
    assert (judged.word != "violated") is (holds or bound >= observed)
    assert judged.tightness >= 0
    assert (judged.tightness < 1) is (judged.word == "violated")
    assert judged.certain


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6))
def test_a_ratio_of_positive_numbers_is_bound_over_observed(bound, observed):
    assert judge(upper(bound), seen(observed)).tightness == pytest.approx(bound / observed, rel=1e-8)
    assert judge(lower(bound), seen(observed)).tightness == pytest.approx(observed / bound, rel=1e-8)


@given(numbers, st.lists(finite, min_size=3, max_size=3), st.none() | finite)
def test_the_mirror_image_is_judged_alike(bound, three, trivial):
    low, value, high = sorted(three)
    above, below = (None if trivial is None else Bound(sign * trivial, "certified") for sign in (1, -1))
    assert judge(upper(bound), seen(value, low, high), above) == judge(lower(-bound), seen(-value, -high, -low), below)


@given(numbers, finite, finite)
def test_the_smaller_the_observation_the_larger_the_tightness(bound, first, second):
    low, high = sorted((first, second))
    assert judge(upper(bound), seen(low)).tightness >= judge(upper(bound), seen(high)).tightness * (1 - 1e-8)


@given(finite, st.lists(finite, min_size=3, max_size=3))
def test_certain_means_that_every_point_of_the_interval_gives_the_same_answer(bound, three):
    low, value, high = sorted(three)
    answers = {judge(upper(bound), seen(point)).word == "violated" for point in (low, value, high)}
    assert judge(upper(bound), seen(value, low, high)).certain is (len(answers) == 1)
