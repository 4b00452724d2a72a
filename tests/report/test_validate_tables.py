"""Real fine-tunes on the terminal: numbers with their marks and judgements, none cut short."""

from pathlib import Path

import pytest

from tradeoffbounds.report.validate_tables import print_validate

from .test_case_two_report import cells
from .validate_records import (
    UNSHOWABLE,
    VIOLATED,
    penalty_runs,
    radius_runs,
    record,
    run,
)


@pytest.fixture
def printed(capsys, monkeypatch):
    """What a narrow terminal shows of a record."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(*runs, **changed):
        print_validate(record(*runs, **changed), Path("out"))
        return capsys.readouterr().out

    return show


def test_every_run_has_a_row_of_configuration_and_one_of_gaps(printed):
    text = printed(run("alpaca", penalty=0.5, seed=3), run(radius=0.1, objective="dpo"))
    rows = cells(text, "Runs (")
    assert rows[0][2:] == ["alpaca", "gsm8k", "lora", "sft", "0.5", "-", "3", "40", "m0.5"]
    assert rows[1][2:] == ["-", "gsm8k", "lora", "dpo", "-", "0.1", "0", "40", "m0.1"]
    gaps = cells(text, "Observed gaps")
    assert " ".join(gaps[0]) == "1 m1.9 [1.8, 1.9] m0.81 [0.76, 0.86] m1.2 [1.1, 1.2] m1.6 [1.5, 1.6]"
    assert gaps[1][-1] == "-"
    assert "before run 1: safety gap m0.05, capability gap m3" in " ".join(text.split())


def test_bounds_stand_beside_observation_and_prediction_with_their_word(printed):
    text = printed(run(penalty=0.5, **VIOLATED), run(), run(radius=0.1))
    safety = cells(text, "Bounds on the safety gap")
    assert safety == [
        ["1", "m2", "p1.6", "~40", "far", "~1.2", "violated", "-", "-"],
        ["3", "m0.232", "-", "-", "-", "~4.05", "far", "~0.55", "loose"],
    ]
    capability = cells(text, "Bounds on the capability gap")
    assert capability[0][3:7] == ["~60", "vacuous", "~1.18", "violated?"]
    total = cells(text, "Bounds on the total")
    assert total == [["1", "m1.6", "p1.36", "~6.42", "loose", "12.8", "loose"]]
    assert "Bounds on the total" not in printed(run(radius=0.1))


def test_slack_preference_and_summary_where_there_is_any(printed):
    text = printed(run(penalty=1.0), run(penalty=1.0, **VIOLATED), run(objective="dpo"), correlation=(0.5, -0.1, 0.9))
    assert len(cells(text, "delta+kappa = training apart + sharing")) == 2
    assert cells(text, "Preference runs")[0] == ["3", "0.1", "m0.2", "[0.15,", "0.25]", "m0.1", "m0.6", "m1.4", "m1.5"]
    summary = {" ".join(row[:-9]): row[-9:] for row in cells(text, "How the bounds did")}
    #  runs, hold, tight, loose, far, vacuous, violated, in doubt, median
    assert summary["Theorem 1 (refined)"] == ["2", "1", "0", "1", "0", "0", "1", "0", "3"]
    assert summary["Theorem 2 (refined)"] == ["2", "1", "1", "0", "0", "0", "1", "1", "1.5"]
    assert summary["Theorem 2 (paper)"][5] == "2"
    ranks = cells(text, "Do predictions rank the runs?")
    assert ["safety", "gap", "m0.5", "[-0.1,", "0.9]", "2"] in ranks and not any("drift" in row for row in ranks)
    without = printed(run(radius=0.1))
    assert "Preference runs" not in without and "delta+kappa" not in without
    assert cells(without, "Do predictions rank the runs?") == [["safety", "drift", "none", "1"]]


def test_no_number_is_cut_short_at_a_hundred_columns(printed):
    long = "system: You are a polite assistant that never hurries"
    big = {"safety_gap": 1234.5678, "proxy_gap": 0.000123456, "capability_gap": -987.654321}
    text = printed(
        *(run(long, long + name, "prompt-tuning", "dpo", penalty=0.125, radius=0.0625, gaps=big) for name in "ab"),
        run(penalty=1.0, **UNSHOWABLE), run(penalty=0.5, **VIOLATED), *penalty_runs(), *radius_runs(),
        mode="teacher", correlation=(0.712, -0.123, 0.888),
    )  # fmt: skip
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert "• All is said." in text and "out/validate.json" in text


def test_what_was_not_measured_is_a_dash(printed):
    text = printed(run(penalty=1.0, alone=False, followed=False))
    assert cells(text, "Runs (")[0][-1] == "-"
    assert cells(text, "delta+kappa = training apart + sharing")[0][-3:] == ["-", "-", "-"]


def test_without_runs_only_the_sources_are_shown(printed):
    text = printed()
    assert "Sources" in text and "Runs (" not in text and "How the bounds did" not in text
