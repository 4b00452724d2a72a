"""Folders of results that somebody changed: they are read as JSON, name no function to call and no place outside."""

import json

import pytest

from tradeoffbounds import sweeps
from tradeoffbounds.comparison.tuned_runs import read_sweep_folder
from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.perform import ALIGNED_PREFIX
from tradeoffbounds.sweeps import JOB_FILE, Job, run_jobs

CALLED = []
OURS = Job(f"{__name__}:work_on", {"what": "asked for"})


def work_on(config, work):
    """What was planned."""
    CALLED.append(("work_on", dict(config)))
    (work / "done.json").write_text("{}")


def somebody_elses(config, work):
    """What a changed file names instead."""
    CALLED.append(("somebody_elses", dict(config)))


@pytest.fixture(autouse=True)
def functions(monkeypatch):
    """Functions by their names, as installed packages have them: the tests are no package."""
    CALLED.clear()
    found = {OURS.function: work_on, f"{__name__}:somebody_elses": somebody_elses}
    monkeypatch.setattr(sweeps, "_resolve", found.__getitem__)


@pytest.mark.parametrize("place", ["unfinished", "finished"])
def test_the_function_in_a_jobs_file_is_never_called(tmp_path, place):
    """It says what was done; what is to do, the caller says."""
    folder = tmp_path / (OURS.id if place == "finished" else f".work-{OURS.id}")
    folder.mkdir()
    other = {"function": f"{__name__}:somebody_elses", "config": {"what": "slipped in"}, "id": OURS.id}
    (folder / JOB_FILE).write_text(json.dumps(other))
    run_jobs([OURS], tmp_path)
    assert [("work_on", {"what": "asked for"})][: place == "unfinished"] == CALLED
    written = json.loads((tmp_path / OURS.id / JOB_FILE).read_text())
    assert written["function"] == (OURS.function if place == "unfinished" else other["function"])


def test_nothing_else_lying_in_the_folder_becomes_a_job(tmp_path):
    for name in (".work-0123456789abcdef", "0123456789abcdef"):
        (tmp_path / name).mkdir()
        (tmp_path / name / JOB_FILE).write_text(json.dumps({"function": f"{__name__}:somebody_elses", "config": {}}))
    run_jobs([], tmp_path)
    assert CALLED == []


@pytest.mark.parametrize("id", ["../outside", "/outside", "..", ".", "", "a/../../outside", "a\0b"])
def test_an_id_in_a_record_names_no_folder_outside(tmp_path, id):
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    for folder in (tmp_path / "outside", sweep / "outside"):
        (folder / "adapter").mkdir(parents=True)
        (folder / "adapter" / "adapter_config.json").write_text("{}")
    record = {"config": {"model": "m", "system_prompt": ""}, "runs": [{"id": id}]}
    (sweep / "validate.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="is no id of a run") as caught:
        read_sweep_folder(sweep)
    assert "\n" not in str(caught.value)


def test_an_aligned_start_in_a_record_names_no_folder_outside(tmp_path):
    work = tmp_path / "runs" / "0123456789abcdef"
    (work / "adapter").mkdir(parents=True)
    (work / "adapter" / "adapter_config.json").write_text("{}")
    config = {"start": f"{ALIGNED_PREFIX}../../outside", "rows": "r"}
    (work / "run.json").write_text(json.dumps({"config": config, "losses": {"r": [1.0]}, "kls": {}, "history": []}))
    record = {"config": {"model": "m", "system_prompt": ""}, "runs": [{"id": work.name}]}
    (tmp_path / "validate.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="is no id of a run"):
        read_sweep_folder(tmp_path)
