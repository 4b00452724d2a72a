"""Real fine-tunes in words: what held in how many runs, what did not and why, and nothing flattering."""

import math

import pytest

from tradeoffbounds.comparison.signatures import SIGNATURES
from tradeoffbounds.report.validate_verdict import validate_verdict

from .records import bound
from .validate_records import (
    PENALTIES,
    RADII,
    UNSHOWABLE,
    VIOLATED,
    method_runs,
    penalty_runs,
    radius_runs,
    record,
    run,
)


def said(*runs, **changed):
    return validate_verdict(record(*runs, **changed))


def sentence(sentences, start):
    (found,) = (each for each in sentences if each.startswith(start))
    return found


def test_it_says_how_many_runs_of_which_kind():
    runs = [*penalty_runs(), *radius_runs(seed=1), run(penalty=1.0, radius=0.1, objective="dpo")]
    assert said(*runs, mode="teacher")[0] == (
        "15 fine-tunes in teacher mode: 9 with a penalty, 2 unconstrained, 3 in a ball, 1 with a penalty and in a "
        "ball; lora SFT 14, lora DPO 1; 2 seeds."
    )
    assert said() == ["No fine-tune was run, so nothing was compared."]


def test_stand_ins_are_named_first():
    assert said(run(), stand_in=True)[0].startswith(
        "These are fine-tunes on bundled stand-in data for alignment (orca)"
    )
    assert not any("stand-in" in each for each in said(run()))


def test_no_violation_only_with_the_number_of_runs():
    sentences = said(*penalty_runs())
    assert (
        "Theorem 1 (refined): no violation in any of 9 runs (9 loose; median bound over observed gap 3)." in sentences
    )
    assert "Theorem 2 (paper): no violation in any of 9 runs (9 vacuous)." in sentences
    assert sentence(said(run(penalty=1.0)), "Theorem 2 (refined)") == (
        "Theorem 2 (refined): no violation in the only run (1 tight; median bound over observed gap 1.5)."
    )
    for each in sentences:
        assert "no violation" not in each or "9 runs" in each


def test_a_violation_is_told_with_what_training_lost_there():
    sentences = said(run(penalty=1.0), run(penalty=0.5, **VIOLATED))
    assert sentence(sentences, "Theorem 1 (refined)") == (
        "Theorem 1 (refined): violated in 1 of 2 runs, 0 of these within the sampling interval; holds in 1 (1 loose; "
        "median bound over observed gap 3)."
    )
    assert "1 of these within" in sentence(sentences, "Theorem 2 (refined)")
    told = sentence(sentences, "Run 2 ")
    # Total 1.2 + 0.5 * 0.81; 0.4 of it is lost, 0.1 apart and 0.3 by sharing.
    assert told == (
        "Run 2 (safety-tuned -> gsm8k, lora SFT, lambda 0.5) violates Theorem 1 (refined) (observed safety gap 2, "
        "bound 1.2); Theorem 2 (refined) (observed capability gap 1.2, bound 1.18, within the sampling interval). "
        "Delta + kappa there is 0.64, of which training apart leaves 0.16 too and sharing parameters adds 0.48; that "
        "is as much as the bound lacks in 1 of 2 cases."
    )


def test_what_training_lost_is_set_against_what_the_bound_lacks():
    small = run(penalty=0.5, gaps={"capability_gap": 1.2}, bounds={"theorem2.refined": bound(1.18)})
    assert "that is as much as the bound lacks in 1 of 1 case." in sentence(said(small), "Run 1 ")
    large = run(penalty=0.5, gaps={"capability_gap": 1.2}, bounds={"theorem2.refined": bound(0.1)})
    assert "that is as much as the bound lacks in 0 of 1 case." in sentence(said(large), "Run 1 ")


def test_a_violation_in_a_ball_is_told_with_its_gradients():
    sentences = said(run(radius=0.1, gaps={"safety_gap": 3.0, "capability_gap": 5.0}))
    told = sentence(sentences, "Run 1 ")
    assert "violates Theorem 3 (refined) (observed safety gap 3, bound 0.55)" in told
    assert told.endswith("The largest |grad G_s| on its path is 5, L_s 8.") and "kappa" not in told
    assert "which a run need not find" in sentence(sentences, "Best in ball at most: violated in 1 of 1 run")
    assert "Along the paths in a ball |grad G_s| stayed below the L_s that Theorem 3 uses in 1 of 1 run." in sentences


def test_without_single_source_training_slack_is_not_split():
    sentences = said(run(penalty=0.5, alone=False, **VIOLATED))
    assert "Delta + kappa there is 0.64; that is as much" in sentence(sentences, "Run 1 ")
    assert "not known what of it is sharing" in sentence(sentences, "Above the predicted")
    some = sentence(said(run(penalty=0.5, alone=False), run(penalty=0.5)), "Above the predicted")
    assert some.endswith("(known of 1).")


def test_a_training_that_was_not_followed_has_no_gradients():
    sentences = said(run(radius=0.1, followed=False, gaps={"safety_gap": 3.0}))
    assert sentence(sentences, "Run 1 ").endswith("What training lost there is not known.")
    assert not any("L_s" in each for each in sentences)


def test_a_lost_total_is_not_guessed():
    told = sentence(said(run(penalty=1.0, total=False, **VIOLATED)), "Run 1 ")
    assert told.endswith("What training lost there is not known.")


def test_only_the_worst_violations_are_told_one_by_one():
    sentences = said(*(run(penalty=p, gaps={"capability_gap": 5.0 + p}, bounds={"theorem2.refined": bound(1.0)})
                       for p in range(1, 8)))  # fmt: skip
    told = [each for each in sentences if each.startswith("Run ")]
    assert [each.split()[1] for each in told] == ["4", "5", "6", "7"]
    assert "3 more runs violate bounds by less: see the tables." in sentences


def test_gaps_below_the_reference_are_said_to_be():
    sentences = said(run(penalty=1.0, **UNSHOWABLE), run(penalty=10.0))
    assert "safety gap in 1, proxy gap in 1, capability gap in 1 of 2 runs" in sentence(sentences, "Gaps below 0")
    assert not any(each.startswith("Gaps below 0") for each in said(run()))


def test_slack_over_all_penalised_runs():
    found = sentence(
        said(run(penalty=1.0, gaps={"capability_gap": 1.0, "proxy_gap": 1.0}), run()), "Above the predicted"
    )
    assert found == (
        "Above the predicted least total, 1 run with a penalty lost (delta + kappa) 0.8 nats a response: training "
        "apart leaves 0.2 too, sharing parameters adds 0.6."
    )


@pytest.mark.parametrize(
    ("correlation", "meaning"),
    [((0.7, 0.4, 0.9), "better than chance"), ((0.3, -0.2, 0.7), "not to be told from chance"),
     ((-0.7, -0.9, -0.1), "in the wrong order")],
)  # fmt: skip
def test_whether_predictions_rank_the_runs(correlation, meaning):
    found = sentence(said(*penalty_runs(), correlation=correlation), "Rank correlation of predicted and observed")
    value, low, high = correlation
    assert f"safety gap {value:g} ({low:g} to {high:g}) over 9 runs, {meaning}" in found and "drift" not in found


def test_too_few_runs_to_rank_are_said():
    found = sentence(said(*penalty_runs()[:2]), "Whether predictions rank the runs cannot be said")
    assert "safety gap (2 runs)" in found and "drift" not in found


def test_gaps_that_move_as_the_theory_expects():
    sentences = said(*penalty_runs()[:3], *radius_runs(), run())
    for start in (
        "That the safety gap falls as the penalty rises, as the theory expects, is seen at 3 of 3 steps (no penalty",
        "That the capability gap rises with the penalty, as the theory expects, is seen at 3 of 3 steps",
        "That the safety gap grows with the radius, as the theory expects, is seen at 3 of 3 steps (no ball counts",
        "That the capability gap falls as the radius grows, as the theory expects, is seen at 3 of 3 steps",
    ):
        assert "against" not in sentence(sentences, start)


def test_gaps_that_move_the_other_way_are_told_within_or_beyond_intervals():
    values = (1.0, 1.05, 2.0)
    runs = [run(penalty=p, gaps={"safety_gap": gap}) for p, gap in zip(PENALTIES, values, strict=True)]
    found = sentence(said(*runs), "That the safety gap falls")
    assert found == (
        "That the safety gap falls as the penalty rises, as the theory expects, is seen at 0 of 2 steps, 0 of them "
        "beyond the sampling intervals; against it: safety-tuned -> gsm8k, lora SFT: from 1.05 (lambda 1) to 2 "
        "(lambda 10), beyond the sampling intervals; safety-tuned -> gsm8k, lora SFT: from 1 (lambda 0.1) to 1.05 "
        "(lambda 1), within the sampling intervals."
    )
    free = sentence(said(*penalty_runs()), "That the safety gap falls")
    assert "alpaca -> gsm8k, lora SFT: from 2.05 (unconstrained) to 2.52 (lambda 0.1), beyond" in free
    still = [run(radius=radius, gaps={"safety_gap": 1.0}) for radius in RADII]
    assert "0 of 2 steps, 0 of them beyond the sampling intervals; at 2 it does not move." in sentence(
        said(*still), "That the safety gap grows"
    )


def test_one_run_has_no_direction():
    assert any(each.startswith("No two runs differ in their constraint alone") for each in said(run(penalty=1.0)))


def test_preferences_are_summed_up_and_called_no_bound():
    found = sentence(said(*method_runs()), "In 4 preference runs")
    assert "is on average 0.2 nats, and the largest seen is 1.5: of a sample, so no bound." in found
    assert not any("preference" in each for each in said(run()))


def test_signatures_are_counted_and_explained():
    names = list(SIGNATURES)
    found = said(run(signatures=names[:1]), run(penalty=1.0, signatures=names[:2]), run(radius=0.1))[-1]
    assert found.startswith(
        f"Seen with certainty: {names[0]} in 2 of 3 runs (runs 1, 2: {SIGNATURES[names[0]].rstrip('.')}); "
    )
    assert f"{names[1]} in 1 of 3 runs" in found and names[2] not in found
    assert said(run())[-1] == f"None of {', '.join(names)} was seen with certainty in 1 run."


def test_every_sentence_of_every_shape_is_one():
    shapes = (
        [*penalty_runs(), *radius_runs(), *method_runs()], [run()], [run(penalty=1.0, **UNSHOWABLE)],
        penalty_runs(half=None), [run(penalty=1.0, radius=0.1, **VIOLATED)],
        [run(penalty=1.0, bounds={"theorem1.paper": bound(math.inf)})],
    )  # fmt: skip
    for runs in shapes:
        for each in said(*runs, mode="finite"):
            assert not each[0].islower() and each.endswith(".") and ".." not in each and "nan" not in each.lower(), each
