"""Sentences of Case II: said either way, and no more claimed than is known."""

import math

import pytest

from tradeoffbounds.report.case_two_reading import families
from tradeoffbounds.report.case_two_verdict import case_two_verdict
from tradeoffbounds.report.verdict import verdict

from .case_two_records import method, record
from .records import bound


def said(*methods, **changed):
    return " ".join(case_two_verdict(record(*methods, **changed)))


def test_case_two_that_was_not_asked_for_is_named():
    sentences = verdict(record())
    assert sentences[-1] == "Case II (a radius around the aligned parameters) was not asked for (--curvature off)."
    assert "not computed" not in " ".join(sentences)
    assert "--curvature off" not in " ".join(verdict(record(method())))


def test_the_verdict_ends_with_case_two():
    whole = record(method(), method("p-tuning", start=2.0), drifts=(0.1, 0.2))
    assert verdict(whole)[-len(case_two_verdict(whole)) :] == case_two_verdict(whole)


@pytest.mark.parametrize(
    "changed",
    [
        {}, {"infinite_from": 0.2}, {"infinite_from": 0.1}, {"moving": False}, {"safest": False}, {"start": -1.0},
        {"certified": True}, {"noise": False}, {"truncated": 3}, {"radii": (0.1,)}, {"curving_down": False},
    ],
)  # fmt: skip
def test_sentences_are_whole_and_their_numbers_are_numbers(changed):
    sentences = case_two_verdict(record(method(**changed)))
    assert all(sentence.endswith((".", ")")) and "nan" not in sentence.split() for sentence in sentences)
    assert not any("None" in sentence or "inf " in sentence for sentence in sentences)


def test_the_bound_its_largest_part_and_the_gain():
    text = said(method())
    assert "lora (1,000 parameters, 8 rows a source): inside radius 0.2" in text
    assert "no more than an estimated 2.6 nats a response (in the paper's form 3.2)" in text
    assert "Its largest part, 2, is the gradient term" in text
    assert "gains an estimated 0.6 to 1.4; it is the largest radius computed." in text
    assert "before any step" not in text.lower()


def test_another_part_may_dominate():
    assert "Its largest part, 15, is the curvature term" in said(method(radii=(0.1, 1.0)))
    text = said(method(start=5.0))
    assert "Before any step it is 5 (95% interval 4.5 to 5.5)." in text
    assert "Its largest part, 5, is there before any step, and no radius lowers it." in text


def test_a_promise_that_stops_rising_gives_the_radius_spoken_of():
    text = said(method(steep_from=0.2))
    assert "inside radius 0.1" in text
    assert "gains an estimated 0.4 to 0.6; beyond this radius the constants promise no more." in text


def test_vacuous_bounds_are_called_so():
    text = said(method(infinite_from=0.2))
    assert "inside radius 0.1" in text and "From radius 0.2 on Theorem 3 is vacuous" in text
    text = said(method(infinite_from=0.1))
    assert "already at radius 0.1 Theorem 3 is vacuous" in text
    assert "From radius" not in text and "puts the safety gap" not in text


def test_no_capability_gradient_promises_nothing():
    found = method(moving=False)
    for at in found["radii"]:
        at["capability"]["upper"] = bound(0.0)
    text = said(found)
    assert "No radius promises a gain in capability; this is the smallest." in text
    assert "The capability gradient is zero on these rows" in text


def test_drift_and_safest_direction():
    assert "gain 0.92 and to raise the safety gap by 0.42; one as long in the safest direction, to gain 0.72" in said(
        method()
    )
    assert "to lower the safety gap by 0.58;" in said(method(slope=-3.0))
    assert "no direction that gains keeps clear of the safety gap's gradient" in said(method(safest=False))


def test_constants_and_lanczos():
    text = said(method())
    assert "L_s 1.3, S_s 1.5, L'_f 2; close, which proves nothing about points not visited." in text
    assert "Lanczos did not converge in 5 steps (alignment, capability)" in text and "--curvature full takes" in text
    assert "Lanczos converged." in said(method(converged=True))
    assert "Lanczos did not" not in said(method(converged=True))
    far = method()
    far["radii"][-1]["constants"]["S_s"]["lower"]["value"] = 1.0
    assert "S_s 30, L'_f 2; S_s may be far from known." in said(far)
    full = method() | {"budget": "full"}
    assert "--curvature full" not in said(full)


def test_sampling_noise_of_the_gradients():
    text = said(method())
    assert "|grad G_s| is 10 on the rows and an estimated 5 (95% interval 0 to 10), perhaps zero without" in text
    assert "is 75% of its square" in text
    assert "How much of the gradients is sampling noise of these rows is not known" in said(method(noise=False))


def test_cut_texts():
    text = said(method(truncated=3))
    assert "Case II reads 80 tokens of a text, which cuts 3 alignment, 3 capability of 8 rows each" in text
    assert "the loss is that of the first tokens. --curvature full reads more." in text
    assert "first tokens" not in said(method())
    assert "--curvature full reads" not in said(method(truncated=3), config={"confidence": 0.95, "max_tokens": 80})


def test_sharing_without_a_ball_is_predicted_only_where_the_model_has_a_minimum():
    text = said(method())
    assert "at lambda = 1 loses 0.5 nats a response against training apart inside radius 0.2, 0.25 of it beyond" in text
    assert "Without a ball it predicts nothing (vacuous: a model curves downwards)" in text
    text = said(method(curving_down=False))
    assert "Without a ball: 0.875 and 0.75." in text and "curves downwards" not in text


def test_only_proved_constants_make_a_certificate():
    none = "Every constant of Case II is an estimate, so none of its bounds is a certificate."
    assert none in said(method())
    assert "certified" not in said(method())
    text = said(method(), method("output-head", certified=True))
    assert none not in text
    assert (
        "With the proved constants of output-head the safety gap on these 8 rows is inside radius 0.2 at most "
        "200 (paper, certified) and 62 (refined, measured). Everything else of Case II is estimated or predicted."
    ) in text
    guessed = method("output-head", certified=True)
    for at in guessed["radii"]:
        for each in at["certified"].values():
            each["kind"] = "estimated"
    assert none in said(guessed)


@pytest.mark.parametrize(
    ("start", "drifts", "expected"),
    [
        (
            2.0,
            (0.1, 0.1),
            "adapters (lora) cost less than prompt methods (p-tuning). That agrees with arXiv:2511.00382",
        ),
        (
            1.0,
            (3.0, 0.1),
            "prompt methods (p-tuning) cost less than adapters (lora). That contradicts arXiv:2511.00382",
        ),
        (0.5, (0.3, 0.1), "within the sampling intervals of their starts. That does not settle arXiv:2511.00382"),
    ],
)
def test_the_order_of_methods_is_held_against_the_paper_either_way(start, drifts, expected):
    text = said(method(), method("p-tuning", start=start), drifts=drifts)
    assert expected in text
    assert "it is a prediction from 8 rows, and no trained model's." in text


def test_families_that_cannot_be_compared():
    whole = record(method(), method("ia3"), method("p-tuning", start=1.0), drifts=(0.1, 5.0, 0.1))
    assert families(whole["method_comparison"]).startswith("neither adapters (lora, ia3) nor")
    assert "That does not settle" in " ".join(case_two_verdict(whole))
    text = said(method(), method("p-tuning", start=1.0), drifts=(0.1, None))
    assert (
        "No step of p-tuning inside the largest radius is predicted to reach it." in text and "2511.00382" not in text
    )
    assert families(record(method(), method("output-head"), drifts=(0.1, 0.2))["method_comparison"]) is None


def test_predictions_that_are_impossible_are_not_quoted():
    """A status on the drift or on the cost of sharing takes the place of the number."""
    found = method()
    impossible = {"value": -1e3, "status": "vacuous: a loss below 0 is predicted"}
    for at in found["radii"]:
        at["drift"] |= impossible
        at["sharing_cost"] = [each | {"cost": bound_without_end()} for each in at["sharing_cost"]]
    text = said(found)
    assert "is too long for a second-order prediction." in text and "1000" not in text and "1e+03" not in text
    assert "the quadratic model predicts no cost of sharing: vacuous: more than both losses." in text


def bound_without_end():
    return bound(math.inf, kind="predicted") | {"status": "vacuous: more than both losses"}


def test_methods_of_which_none_gains_are_said_to_be_so():
    whole = record(method(), method("ia3"), drifts=(None, None))
    whole["method_comparison"]["gain"] = None
    assert "No method is predicted to gain anything against the aligned model" in " ".join(case_two_verdict(whole))


@pytest.mark.parametrize(
    ("radii", "start", "expected"),
    [
        ({"paper": 0.05, "refined": 0.125}, 0.0, "under 1 up to a radius of 0.05 (paper) and 0.125 (refined)."),
        ({"paper": 0.05, "refined": 0.2}, 0.0, "and at least 0.2, the largest computed (refined)."),
        ({"paper": 0.0, "refined": 0.0}, 3.0, "under 1 nats a response: before any step it is 3."),
        ({"paper": 0.0, "refined": 0.0}, 0.0, "under 1 nats a response: the constants are not finite."),
    ],
)
def test_the_largest_radius_for_a_gap(radii, start, expected):
    assert expected in said(method(start=start), max_safety_gap={"limit": 1.0, "radius_up_to": radii})


def test_without_case_two_no_radius_is_asked_for():
    assert "up to a radius" not in said(max_safety_gap={"limit": 1.0, "radius_up_to": None})
    assert "up to a radius" not in said(method(), max_safety_gap={"limit": 1.0, "radius_up_to": None})
