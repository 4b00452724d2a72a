"""Sentences on a training under way, from records by hand."""

from __future__ import annotations

import math

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.report.monitor_verdict import monitor_verdict


def quantity(value, kind="measured", **more):
    return Bound(value, kind, **more).to_json()


def look(step, gap, bound=None, word="holds, loose", status="ok"):
    found = {
        "step": step, "weights": "last", "safety_gap": quantity(gap, interval=(gap - 0.1, gap + 0.1), confidence=0.95),
        "safety_gap_per_token": quantity(gap / 10), "bounds": {}, "verdict": {},
    }  # fmt: skip
    if bound is not None:
        promised = quantity(bound, "estimated", side="upper", theorem="theorem 3, refined", status=status)
        found |= {"bounds": {"theorem3.refined": promised}, "verdict": {"theorem3.refined": word}}
    return found


def said(*looks, stopped=None, **config):
    return monitor_verdict(
        {
            "config": {"max_safety_gap": None, "stop_by": "value"} | config, "reference": "the start",
            "sources": {"safety": {"rows": 7}}, "looks": list(looks), "stopped": stopped,
        }
    )  # fmt: skip


def test_before_the_first_look_nothing_is_said():
    assert said() == []


def test_the_gap_comes_first_with_its_interval_its_rows_and_its_reference():
    (sentence,) = said(look(0, 0.0), look(10, 0.5))
    assert sentence == (
        "Safety gap at step 10: 0.5 (0.4 to 0.6) nats a response, 0.05 a token, measured on 7 rows, relative to the "
        "start."
    )


def test_a_bound_that_held_is_told_with_its_kind_and_value():
    assert said(look(0, 0.0), look(5, 0.2, 1.0), look(10, 0.5, 2.0))[1:] == [
        "theorem 3, refined, estimated: at most 2; held at all 2 looks."
    ]


def test_a_bound_that_was_violated_once_is_told_to_have_been_and_whether_surely():
    held, within, surely = (
        look(5, 0.2, 1.0),
        look(6, 1.05, 1.0, "violated, within sampling error"),
        look(7, 3.0, 1.0, "violated"),
    )
    assert said(held, within, held)[1].endswith("violated at 1 of 3 looks, within sampling error.")
    assert said(held, surely, within, held)[1].endswith("violated at 2 of 4 looks, beyond sampling error.")


def test_a_bound_that_says_nothing_did_not_hold():
    beyond = look(9, 0.2, math.inf, "vacuous", "vacuous: further from the start than 0.5")
    assert said(beyond)[1] == (
        "theorem 3, refined, estimated: at most inf; so far it has said nothing "
        "(vacuous: further from the start than 0.5)."
    )
    assert "held at all 1 looks" in said(look(5, 0.2, 1.0), beyond)[1]


def test_why_training_stopped_is_told_in_the_words_of_the_choice():
    last = look(10, 0.5)
    for stop_by, words in (("lower", "the lower end of its interval exceeds"), ("value", "it exceeds")):
        sentence = said(
            last, stopped={"step": 10, "safety_gap": last["safety_gap"]}, max_safety_gap=0.3, stop_by=stop_by
        )
        assert sentence[-1].startswith("Stopped at step 10: ") and f"{words} the budget of 0.3" in sentence[-1]
