"""Numbers as text, the command to repeat a record, and the slider's grid."""

from __future__ import annotations

import json
import shlex

import pytest

from tradeoffbounds.config import EstimateConfig
from tradeoffbounds.overlap.case_one import ROUND
from tradeoffbounds.page.cells import Notes, interval_text, shown
from tradeoffbounds.page.command import command
from tradeoffbounds.report.penalty_grid import grid_record, grid_rows
from tradeoffbounds.validate_config import ValidateConfig

from ..report.records import bound
from .pages import committed


@pytest.mark.parametrize(("quantity", "text"), [
    (bound(1.2345), "≤ 1.23"), (bound(1.0, side="lower"), "≥ 1"), (bound(-0.0, side="value"), "0"),
    (bound(float("inf")), "no finite bound"), (bound(float("-inf"), side="lower"), "no finite bound"),
    (bound(float("inf"), side="value"), "infinite"),
])  # fmt: skip
def test_values(quantity, text):
    assert shown(quantity) == text


@pytest.mark.parametrize(("interval", "text"), [
    (None, ""), ([0.0, 1.8], "0 to 1.8"), ([0.0, None], "0 or more"), ([None, 2.0], "2 or less"), ([None, None], ""),
])  # fmt: skip
def test_intervals(interval, text):
    assert interval_text(bound(1.0, side="value", interval=interval)) == text


def test_steps_that_are_too_long_have_no_number():
    quantity = bound(-9.0, kind="predicted", side="value", status="vacuous: more than both losses")
    assert Notes().cell("drift", quantity, step=True).text == "too far to predict"


def test_notes_are_kept_once():
    notes = Notes()
    first = notes.cell("theorem1.paper", bound(1.0, assumptions=["A1"]))
    assert notes.cell("theorem1.paper", bound(2.0, assumptions=["A1"])).note == first.note
    assert notes.cell("theorem1.paper", bound(2.0, status="supremum")).note != first.note
    meaning, facts = list(notes)[first.note]
    assert "Theorem 1" in meaning and "bounded ratios" in dict(facts)["Assumes"]


def test_command_repeats_the_options_and_quotes_them():
    given = {"proxy": "system:it's $HOME", "penalty": [0.1, 2.0], "stand_in": False, "out": "runs/estimate", "seed": 3}
    line, unknown = command("estimate", EstimateConfig, given)
    assert shlex.split(line) == [
        "python", "-m", "tradeoffbounds.estimate", "--proxy", "system:it's $HOME", "--penalty", "0.1", "2",
        "--no-stand-in", "--seed", "3",
    ]  # fmt: skip
    assert "--curvature" in unknown and "--seed" not in unknown


def test_command_without_penalties():
    line, _ = command("validate", ValidateConfig, {"penalty": [], "radius": [0.1]})
    assert line.endswith("--penalty --radius 0.1")


def test_command_is_read_back_by_its_door():
    tyro = pytest.importorskip("tyro")
    record = committed("two_system_prompts/estimate.json")[0]
    line, _ = command("estimate", EstimateConfig, record["config"])
    config = tyro.cli(EstimateConfig, args=shlex.split(line)[3:])
    assert (config.proxy, list(config.penalty), config.samples) == (
        record["config"]["proxy"], record["config"]["penalty"], record["config"]["samples"],
    )  # fmt: skip


def test_grid_gives_rows_back():
    rows = committed("two_system_prompts/estimate.json")[0]["loss_constraint"]
    again = grid_rows(json.loads(json.dumps(grid_record(rows))))
    for row, back in zip(rows, again, strict=True):
        assert back["penalty"] == row["penalty"] and back["classifier_bound"] == row["classifier_bound"]
        assert all(back[part] == row[part] for part in ("predicted", "exact", "bracket", "certificate"))
        assert all(
            back[name][form] == row[name][form] for name in ("theorem1", "theorem2") for form in ("paper", "refined")
        )


def test_grid_penalties_are_as_round_as_they_look():
    assert list(ROUND) == sorted(set(ROUND)) and ROUND[0] == 0.001 and ROUND[-1] == 1000.0
    assert all(
        float(f"{penalty:g}") == penalty and len(f"{penalty:g}".strip("0.").replace(".", "")) <= 2 for penalty in ROUND
    )


def test_grid_of_an_estimate_is_what_its_penalties_get(estimated):
    result = estimated(0.3, 1.0)
    (asked,) = [row for row in result.record["loss_constraint"] if row["penalty"] == 0.3]
    (on_grid,) = [row for row in grid_rows(result.record["loss_constraint_grid"]) if row["penalty"] == 0.3]
    assert all(on_grid[part] == asked[part] for part in ("predicted", "bracket", "certificate", "classifier_bound"))
    assert (result.folder / "report.html").is_file()
