"""The door from end to end, over a real sweep of a tiny model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tradeoffbounds import UserError, audit
from tradeoffbounds.harm import generation
from tradeoffbounds.page import render_page
from tradeoffbounds.report.study_figures import build_study_figures
from tradeoffbounds.study import main, study
from tradeoffbounds.study_config import StudyConfig


@pytest.fixture(scope="module")
def done(options, cache, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
        return study(options(tmp_path_factory.mktemp("study")))


def test_every_adapter_is_audited_and_what_kept_none_is_counted(done):
    record = json.loads((done.folder / "study.json").read_text("utf-8"))
    assert record == json.loads(json.dumps(done.record))
    assert len(record["runs"]) == 8 and record["without_adapter"] == 1
    assert list(record["factors"]["harmfulness"]) == ["method", "seed", "constraint"]
    assert all(row["method"]["blocks"] == 4 for row in record["factors"].values())
    assert {"effects.png", "front.png", "shift.png"} <= {path.name for path in (done.folder / "figures").iterdir()}
    assert (done.folder / "report.html").read_text("utf-8") == render_page(record)


def test_outcomes_are_those_of_the_audit_and_of_the_sweep(done, sweep):
    runs = {run["id"]: run for run in json.loads((sweep / "validate.json").read_text("utf-8"))["runs"]}
    for run, own in zip(done.record["runs"], done.audits, strict=True):
        observed = runs[run["id"]]["observed"]
        rise = observed["safety_gap"]["value"] - observed["safety_gap_start"]["value"]
        assert run["outcomes"]["safety_gap"]["value"] == pytest.approx(rise)
        changed = own["compared_with_base"]["overall"]
        assert run["outcomes"]["harmfulness"] == changed["harm"]["difference"]
        assert run["outcomes"]["bias_ambig"] == changed["fairness"]["ambig"]["bias"]["difference"]


def test_an_audit_by_itself_says_the_same(done, options, sweep, tmp_path):
    run = done.record["runs"][3]
    start = done.audits[3]["config"]["model"]
    adapter = sweep / "runs" / run["id"] / "adapter"
    alone = audit(options(tmp_path).audit(start, adapter, "You are a helpful assistant.", tmp_path))
    assert alone.record["compared_with_base"] == done.audits[3]["compared_with_base"]


def test_costs_of_the_front_are_the_rates(done, sweep):
    (front,) = done.record["fronts"]
    assert any(run["on_front"] for run in front["runs"])
    for run in front["runs"]:
        own = done.audits[run["run"]]
        assert run["harmfulness"] == pytest.approx(own["harm"]["overall"]["rate"]["value"])
        right = [
            sum(cells[context]["correct"] for cells in own["fairness"].values())
            / sum(cells[context]["n"] - cells[context]["unparsed"] for cells in own["fairness"].values())
            for context in ("ambig", "disambig")
        ]
        assert run["bbq_errors"] == pytest.approx(1 - np.mean(right))
        performed = json.loads((sweep / "runs" / done.record["runs"][run["run"]]["id"] / "run.json").read_text("utf-8"))
        assert run["capability_loss"] == pytest.approx(np.mean(performed["losses"][performed["config"]["rows"]]))


def test_a_second_call_asks_the_models_nothing(done, options, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a model was asked again")

    monkeypatch.setattr(generation, "greedy_responses", refuse)
    again = study(options(tmp_path))
    assert again.record["factors"] == done.record["factors"] and again.record["fronts"] == done.record["fronts"]


def test_what_is_said_follows_from_the_record(done):
    text = " ".join(done.record["verdict"])
    assert "8 fine-tunes" in text and "1 run kept no adapter" in text and "WEAK" in text
    assert ("could be told from chance" in text) == any(
        not any(effect["significant"] for effect in row.values()) for row in done.record["factors"].values()
    )


def test_figures_show_every_run(done):
    figures = build_study_figures(done.record, done.audits)
    panels = [axes for axes in figures["effects"].axes if axes.get_title(loc="left")]
    assert len(panels) == len(done.record["factors"])
    dots = [line for line in panels[0].lines if str(line.get_gid()).startswith("runs method")]
    assert sum(len(line.get_xdata()) for line in dots) == 8
    shown = [line for line in figures["front"].axes[0].lines if line.get_gid() in ("front", "beaten")]
    assert len(shown) == 8


def test_one_part_alone_has_no_front(options, tmp_path):
    record = study(options(tmp_path, fairness="none")).record
    assert record["fronts"] == [] and list(record["factors"]) == ["harmfulness", "safety_gap", "capability_gap"]


def test_the_command(done, options, sweep, data, tmp_path, capsys):
    arguments = ["--sweep", sweep, "--harm", "asked", "--data-dir", data, "--out", tmp_path, "--samples", "72",
                 "--max-new-tokens", "6", "--device", "cpu", "--dtype", "float32"]  # fmt: skip
    assert main([str(each) for each in arguments]) == 0
    said = capsys.readouterr().out
    assert "What each choice did" in said and "harmfulness" in said and "study.json" in said and "report.html" in said


def test_wrong_calls(options, sweep, tmp_path, capsys):
    with pytest.raises(UserError, match="no finished sweep"):
        study(options(tmp_path / "out", sweep=(tmp_path,)))
    with pytest.raises(UserError, match="twice"):
        StudyConfig(sweep=(sweep, sweep))
    with pytest.raises(UserError, match="at least one"):
        StudyConfig(sweep=())
    assert main(["--sweep", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_too_few_fine_tunes(options, sweep, tmp_path):
    folder = tmp_path / "sweep"
    shutil.copytree(sweep, folder)
    for path in list((folder / "runs").glob("*/adapter"))[1:]:
        shutil.rmtree(path)
    with pytest.raises(UserError, match="at least 2"):
        study(options(tmp_path / "out", sweep=(folder,)))


def test_a_start_that_is_gone(options, tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "empty"))
    with pytest.raises(UserError, match="no longer in the cache"):
        study(options(tmp_path / "out"))
