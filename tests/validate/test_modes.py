"""Kinds of sources: the model itself under system prompts, preferences, and bundled stand-ins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .results import run_files, runs_of, value

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")


# Sources that are the model itself


def test_exact_gaps_are_not_below_zero(teacher):
    files = run_files(teacher)
    rows = [each for file in files.values() for kls in file["kls"].values() for each in kls]
    assert len(rows) >= 10 * 3 * len(teacher.record["runs"]) and min(rows) > -1e-4  # of float32
    for run in teacher.record["runs"]:
        for name in ("safety_gap", "proxy_gap", "capability_gap", "safety_gap_start", "capability_gap_start"):
            assert value(run["observed"][name]) > -1e-4


def test_a_start_that_is_the_alignment_source_has_no_safety_gap(teacher):
    """The model under the system prompt that the rows are rendered with; a fine-tune then moves away from it."""
    start = teacher.record["start"]
    assert (start["trained"], start["steps"]) == ("none", 0) and abs(value(start["safety_gap"])) < 1e-4
    for run in teacher.record["runs"]:
        assert abs(value(run["observed"]["safety_gap_start"])) < 1e-4
        assert value(run["observed"]["safety_gap"]) > 1e-4
        assert value(run["observed"]["capability_gap_start"]) > 0.1


def test_no_run_beats_the_least_total_that_there_is(teacher):
    """The exact minimum over all policies is a mean over sampled responses, as is what was observed."""
    runs = runs_of(teacher, penalty=0.5)
    assert len(runs) == 2
    for run in runs:
        predicted = run["predicted"]["total"]
        assert predicted["interval"][0] <= run["observed"]["total"]["interval"][1]
        assert predicted["interval"][0] <= predicted["value"] <= predicted["interval"][1]
        (row,) = teacher.record["predictions"][0]["loss_constraint"]
        assert predicted == row["exact"]["total"]


def test_losses_and_exact_gaps_tell_the_same_story(teacher):
    """A difference of losses of two models is the difference of their gaps, up to the sampling of responses."""
    files = run_files(teacher)
    (start,) = (each for each in files.values() if each["config"]["training"] is None)
    for run in runs_of(teacher, objective="dpo"):
        file = files[run["id"]]
        for address, kls in file["kls"].items():
            gap = np.subtract(kls, start["kls"][address])
            loss = np.subtract(file["losses"][address], start["losses"][address])
            error = 4 * (gap - loss).std(ddof=1) / math.sqrt(len(gap))
            assert gap.mean() == pytest.approx(loss.mean(), abs=error + 1e-4)


def test_sources_that_are_models_say_so(teacher):
    sources = teacher.record["sources"]
    assert set(sources) == {"alignment", "proxy: brief", "capability: code", "prompts"}
    assert {sources[label]["origin"] for label in sources if label != "prompts"} == {"model"}
    assert sources["prompts"]["name"] == "safety" and sources["prompts"]["origin"] == "local"
    assert teacher.record["config"]["capability"] == ["code=system:You write code."]
    assert set(teacher.record["references"].values()) == {
        "exact KLs of next tokens along sampled responses: a gap of 0 is the source itself"
    }


# Preferences


def test_preference_runs_are_beside_fine_tunes_on_the_preferred_answers(preferences):
    assert [run["config"]["objective"] for run in preferences.record["runs"]] == ["dpo", "dpo", "sft", "sft"]
    assert {run["config"]["capability"] for run in preferences.record["runs"]} == {"likes"}
    files = run_files(preferences)
    for run in runs_of(preferences, objective="dpo"):
        preference = run["preference"]
        assert preference["beta"] == 0.1 == files[run["id"]]["config"]["training"]["beta"]
        quantiles = [value(each) for each in preference["quantiles"].values()]
        assert quantiles == sorted(quantiles) and quantiles[-1] <= value(preference["supremum"])
        # The safety gap to the start is E log pi_ref/pi.
        assert value(preference["expectation"]) == pytest.approx(value(run["observed"]["safety_gap"]))
        losses = [loss for loss in run["path"]["loss"] if loss is not None]
        assert losses and all(math.isfinite(loss) for loss in losses)


def test_quiet_prints_no_tables(preferences):
    assert preferences.stdout == "" and "error" not in preferences.stderr and "note:" not in preferences.stderr


# Stand-ins


def test_a_stand_in_is_announced_in_terminal_and_record(stand_ins):
    sources = stand_ins.record["sources"]
    for label, name in (("alignment", "orca"), ("proxy: alpaca", "alpaca"), ("capability: gsm8k", "gsm8k")):
        assert sources[label]["origin"] == "bundled" and sources[label]["stand_in_for"] == name
        assert f"note: {name} is neither in the data folder nor on a reachable hub" in stand_ins.stderr
    assert "STAND-IN" in stand_ins.stdout
    assert "bundled stand-in data for alignment (orca), proxy: alpaca (alpaca)" in stand_ins.record["verdict"][0]


def test_without_any_constraint_the_fine_tune_is_shown_alone(stand_ins):
    (run,) = stand_ins.record["runs"]
    assert run["config"]["penalty"] is None and run["config"]["radius"] is None and run["bounds"] == {}
    assert stand_ins.record["predictions"] == [] and stand_ins.record["summary"]["violations"] == {}
