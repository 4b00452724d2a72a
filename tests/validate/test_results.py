"""What the command writes and says, from end to end: a tiny model, a few dozen rows a source, no network."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re

import numpy as np
import pytest

import tradeoffbounds
from tradeoffbounds import ValidateConfig
from tradeoffbounds.comparison.compare import QUANTITIES
from tradeoffbounds.finetune import perform
from tradeoffbounds.validate import main

from ..estimate.records import KINDS, Q, quantities
from .conftest import PREFERENCES, SMALL, no_figures
from .results import run_files, runs_of, value

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")
CALLS = ("dataset", "teacher", "preferences", "stand_ins", "swept")


# The record


@pytest.mark.parametrize("which", CALLS)
def test_the_record_has_the_published_shape(request, which):
    result = request.getfixturevalue(which)
    record = result.record
    assert record["schema"] == "tradeoffbounds/validate/1"
    assert {
        "config", "environment", "mode", "sources", "start", "references", "predictions", "curvature", "runs",
        "summary", "verdict",
    } <= set(record)  # fmt: skip
    assert set(record["config"]) == {field.name for field in dataclasses.fields(ValidateConfig)}
    assert record["mode"] == ("teacher" if which == "teacher" else "dataset")
    assert record["environment"]["device"] == "cpu" and record["environment"]["versions"]["peft"]
    for label, source in record["sources"].items():
        assert {"name", "origin", "rows", "sha256"} <= set(source)
        if label != "prompts":
            assert (source["train"], source["validation"], source["test"]) == (24, 6, 10)
    assert {"model", "trained", "steps", "safety_gap"} <= set(record["start"])
    assert set(record["references"]) == {"safety_gap", "proxy_gap", "capability_gap"}
    assert record["verdict"] and all(isinstance(sentence, str) and sentence for sentence in record["verdict"])
    assert record["curvature"] == []  # it was switched off


@pytest.mark.parametrize("which", CALLS)
def test_every_run_has_the_published_shape(request, which):
    result = request.getfixturevalue(which)
    files = run_files(result)
    assert len({run["id"] for run in result.record["runs"]}) == len(result.record["runs"]) > 0
    for run in result.record["runs"]:
        assert re.fullmatch("[0-9a-f]{16}", run["id"]) and run["id"] in files
        assert {
            "id", "config", "observed", "bounds", "predicted", "judged", "slack", "path", "preference", "verdict",
            "signatures",
        } == set(run)  # fmt: skip
        config = run["config"]
        assert {
            "proxy", "capability", "method", "objective", "penalty", "radius", "seed", "steps", "batch",
            "learning_rate",
        } <= set(config)  # fmt: skip
        assert config["learning_rate"] > 0
        assert {
            "safety_gap", "proxy_gap", "capability_gap", "total", "safety_gap_start", "capability_gap_start",
            "distance",
        } <= set(run["observed"])  # fmt: skip
        assert set(run["judged"]) == set(run["verdict"]) == set(run["bounds"]) <= set(QUANTITIES)
        assert (run["observed"]["total"] is None) == (run["slack"] is None) == (config["penalty"] is None)
        assert (run["preference"] is None) == (config["objective"] == "sft")
        assert run["path"]["step"][0] == 0 and run["path"]["step"][-1] == config["steps"]
        lengths = {len(part) for part in run["path"].values() if isinstance(part, list)}
        assert lengths == {len(run["path"]["step"])}


@pytest.mark.parametrize("which", CALLS)
def test_every_number_comes_with_kind_interval_and_assumptions(request, which):
    result = request.getfixturevalue(which)
    found = list(quantities({name: result.record[name] for name in ("start", "predictions", "runs", "summary")}))
    assert len(found) > 10 * len(result.record["runs"])
    for path, quantity in found:
        assert set(quantity) - {"infinite", "status"} == Q, path
        assert quantity["kind"] in KINDS and quantity["side"] in ("upper", "lower", "value"), path
        assert (quantity["value"] is None) == bool(quantity.get("infinite")), path
        if quantity["interval"] is not None:
            low, high = quantity["interval"]
            assert low is None or high is None or low <= high, path
    for run in result.record["runs"]:
        for name, quantity in run["observed"].items():
            if quantity is not None:
                assert quantity["kind"] == "measured" and quantity["value"] is not None, name
                low, high = quantity["interval"] or (quantity["value"],) * 2
                assert low <= quantity["value"] + 1e-9 and quantity["value"] <= high + 1e-9, name


@pytest.mark.parametrize("which", CALLS)
def test_total_and_slack_add_up(request, which):
    for run in request.getfixturevalue(which).record["runs"]:
        if run["config"]["penalty"] is None:
            continue
        observed, slack = (
            {name: each and each["value"] for name, each in run[part].items()} for part in ("observed", "slack")
        )
        weighted = observed["capability_gap"] + run["config"]["penalty"] * observed["proxy_gap"]
        assert observed["total"] == pytest.approx(weighted, abs=1e-9)
        assert observed["total"] == pytest.approx(slack["information"] + slack["total"], abs=1e-9)
        assert slack["total"] == pytest.approx(slack["apart"] + slack["sharing"], abs=1e-9)
        assert slack["information"] == value(run["predicted"]["total"])


@pytest.mark.parametrize("which", CALLS)
def test_nothing_temporary_is_left_behind(request, which, cache):
    result = request.getfixturevalue(which)
    hidden = {path.name for folder in (result.out, cache) for path in folder.rglob(".*")}
    assert hidden == {".locks"}
    assert {path.name for path in result.out.iterdir()} <= {"figures", "report.html", "runs", "validate.json"}


# A grid on data sets


def test_the_grid_is_run_with_each_fine_tune_left_to_itself(dataset):
    asked = [tuple(run["config"][part] for part in ("proxy", "penalty", "radius")) for run in dataset.record["runs"]]
    assert asked == [("near", None, None), ("near", 1.0, None), ("same", 1.0, None), ("near", None, 0.02)]
    assert set(dataset.record["sources"]) == {"alignment", "proxy: near", "proxy: same", "capability: code"}
    assert dataset.record["sources"]["proxy: same"]["sha256"] == dataset.record["sources"]["alignment"]["sha256"]


def test_case_one_is_said_of_each_proxy(dataset):
    predictions = {each["proxy"]: each["loss_constraint"] for each in dataset.record["predictions"]}
    assert set(predictions) == {"near", "same"}
    for run in runs_of(dataset, penalty=1.0):
        (row,) = predictions[run["config"]["proxy"]]
        assert run["bounds"]["theorem2.refined"] == row["theorem2"]["refined"]
        assert run["bounds"]["certificate.total"] == row["certificate"]["total"]
        assert run["predicted"] == row["predicted"] | {"interference": row["predicted"]["total"]}
        assert set(run["bounds"]) == {name for name in QUANTITIES if not name.startswith(("theorem3", "capability."))}
    for run in runs_of(dataset, penalty=None):
        assert run["bounds"] == {}  # Case II was switched off
    assert dataset.record["summary"]["violations"]["theorem1.paper"]["of"] == 2


def test_a_fine_tune_stays_in_its_ball_and_one_without_leaves_it(dataset, preferences):
    for run in (*runs_of(dataset, radius=0.02), *runs_of(preferences, radius=0.02)):
        assert max(run["path"]["distance"]) <= 0.02 and value(run["observed"]["distance"]) <= 0.02
    for run in (*runs_of(dataset, radius=None, penalty=None), *runs_of(preferences, radius=None)):
        assert value(run["observed"]["distance"]) > 0.02
    for result, objective in ((dataset, "sft"), (preferences, "dpo")):
        held, free = (runs_of(result, objective=objective, radius=each, penalty=None) for each in (0.02, None))
        assert held[0]["observed"]["capability_gap"] != free[0]["observed"]["capability_gap"]


def test_gaps_are_those_of_the_rows_that_runs_left(dataset):
    """Counted once more from the files: safety from the start, the rest from the fine-tune on that source alone."""
    files = run_files(dataset)
    (start,) = (each for each in files.values() if each["config"]["training"] is None)
    for run in dataset.record["runs"]:
        losses = files[run["id"]]["losses"]
        alignment = files[run["id"]]["config"]["measure"][0]
        difference = np.subtract(losses[alignment], start["losses"][alignment])
        assert value(run["observed"]["safety_gap"]) == pytest.approx(difference.mean())
        assert files[run["id"]]["kls"] == {} and value(run["observed"]["safety_gap_start"]) == 0
        (capability,) = (each for each in losses if each == files[run["id"]]["config"]["rows"])
        (reference,) = (
            each for each in files.values()
            if each["config"]["rows"] == capability and each["config"]["training"]["patience"]
        )  # fmt: skip
        difference = np.subtract(losses[capability], reference["losses"][capability])
        assert value(run["observed"]["capability_gap"]) == pytest.approx(difference.mean())


def test_a_proxy_that_is_the_alignment_s_data_has_its_gap(dataset):
    for run in runs_of(dataset, proxy="same"):
        assert value(run["observed"]["proxy_gap"]) == value(run["observed"]["safety_gap"])
        assert "same-source" in run["bounds"]["theorem1.refined"]["assumptions"]
    words = dataset.record["references"]
    assert "aligned start" in words["safety_gap"] and "LoRA on this source alone" in words["capability_gap"]
    assert (
        words["proxy_gap"].startswith("near: ")
        and "; same: difference of losses to the aligned start" in words["proxy_gap"]
    )


def test_the_start_is_trained_on_the_alignment_rows(dataset, cache):
    start = dataset.record["start"]
    assert start["trained"] == "sft" and start["steps"] == 4 and start["model"].startswith("aligned:")
    folder = cache / "aligned" / start["model"].removeprefix("aligned:")
    assert (folder / "model" / "model.safetensors").is_file()
    # Every job begins there.
    assert {each["config"]["start"] for each in run_files(dataset).values()} == {start["model"]}


def test_adapters_are_kept_and_whole_models_are_not(swept):
    for run in swept.record["runs"]:
        adapter = swept.out / "runs" / run["id"] / "adapter"
        assert (
            (adapter / "adapter_model.safetensors").is_file() == adapter.exists() == (run["config"]["method"] == "lora")
        )


def test_the_terminal_shows_sources_runs_and_where_the_file_is(dataset):
    shown = " ".join(dataset.stdout.split())
    for word in ("safety", "other-safety", "code", "lora", "validate.json"):
        assert word in shown
    assert "NaN" not in shown and "nan" not in shown.split()
    assert "error" not in dataset.stderr and "note:" not in dataset.stderr


@pytest.mark.parametrize("which", ["dataset", "teacher", "stand_ins"])
def test_every_kind_of_result_can_be_drawn(request, which):
    drawn = [path.read_bytes() for path in (request.getfixturevalue(which).out / "figures").iterdir()]
    assert drawn and all(image.startswith(b"\x89PNG") for image in drawn)


# A sweep's file


def test_a_sweep_file_gives_the_runs_that_it_says(swept):
    parts = ("proxy", "capability", "objective", "method", "penalty", "radius", "steps", "batch")
    asked = [tuple(run["config"][part] for part in parts) for run in swept.record["runs"]]
    assert asked == [
        ("near", "code", "sft", "lora", None, None, 4, 4),
        ("near", "code", "sft", "lora", 1.0, None, 4, 4),
        ("near", "likes", "dpo", "full", None, None, 3, 2),
        ("near", "likes", "dpo", "full", None, 0.001, 3, 2),
        ("near", "likes", "dpo", "full", None, 0.002, 3, 2),
    ]
    config = swept.record["config"]
    assert config["capability"] == ["code", "likes=preferences"] and config["penalty"] == [1.0]
    assert config["radius"] == [0.001, 0.002] and config["proxy"] == ["near=other-safety"]
    for run in runs_of(swept, method="full"):
        assert (value(run["observed"]["distance"]) <= (run["config"]["radius"] or 0)) == bool(run["config"]["radius"])


def test_a_run_has_one_address_whoever_asks_for_it(swept, dataset):
    """`penalty: 1` in a file, `--penalty 1.0` on the command line; other proxies and methods beside it."""
    (here,), (there,) = (runs_of(each, method="lora", proxy="near", penalty=1.0) for each in (swept, dataset))
    assert here["id"] == there["id"]
    assert here["observed"] == there["observed"]


# Again


@pytest.fixture
def nothing_is_trained(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a run was repeated")

    for name in ("fine_tune", "align"):
        monkeypatch.setattr(perform, name, refuse)


def test_the_same_command_again_repeats_no_run(command, preferences, nothing_is_trained, monkeypatch):
    def state():
        files = (
            path for path in (preferences.out / "runs").rglob("*") if path.is_file() and ".locks" not in path.parts
        )
        return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}

    before = state()
    no_figures(monkeypatch)
    again = command(preferences.out, "--quiet", radius=0.02, **PREFERENCES)
    assert state() == before and again.record == preferences.record


def test_a_wider_sweep_repeats_no_run_of_a_narrower_one(command, preferences, monkeypatch):
    done, trained = set(run_files(preferences)), []
    fine_tune = perform.fine_tune

    def count(config, work):
        trained.append(work.name.removeprefix(".work-"))
        fine_tune(config, work)

    monkeypatch.setattr(perform, "fine_tune", count)
    no_figures(monkeypatch)
    wider = command(preferences.out, "--quiet", radius=(0.01, 0.02), **PREFERENCES)
    assert {run["id"] for run in runs_of(wider, radius=0.01)} == set(trained) == set(run_files(wider)) - done
    for run in preferences.record["runs"]:
        assert run in wider.record["runs"]


def test_python_returns_what_the_file_holds_and_prints_nothing(preferences, tiny_folder, data, tmp_path, monkeypatch):
    """The call of `preferences` on a cache of its own: everything is computed again, to the same numbers."""
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    no_figures(monkeypatch)
    asked = {name: (each,) if name in ("capability", "proxy", "peft") else each for name, each in PREFERENCES.items()}
    config = ValidateConfig(
        model=str(tiny_folder), alignment="safety", data_dir=data, out=tmp_path / "out", radius=(0.02,), quiet=True,
        **SMALL, **asked,
    )  # fmt: skip
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        result = tradeoffbounds.validate(config)
    assert stdout.getvalue() == "" and result.folder == tmp_path / "out"
    assert result.record == json.loads((tmp_path / "out" / "validate.json").read_text("utf-8"))
    plain = preferences.record
    assert result.record | {"config": plain["config"]} == plain
    assert result.record["config"] | {"out": plain["config"]["out"]} == plain["config"]


def test_the_name_stays_callable_however_it_was_imported():
    assert tradeoffbounds.validate is tradeoffbounds.validate
    import tradeoffbounds.validate as module

    assert callable(tradeoffbounds.validate) and module.main is main
    with pytest.raises(AttributeError, match="no attribute 'oracle'"):
        tradeoffbounds.oracle  # noqa: B018
