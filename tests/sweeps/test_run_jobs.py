"""What one process does with its jobs."""

import json
import sys

import pytest

from tradeoffbounds import runs
from tradeoffbounds.errors import UserError
from tradeoffbounds.sweeps import Job, run_jobs

from .tiny_jobs import jobs


def ids(numbers):
    return [job.id for job in jobs(numbers)]


# The address of a job


def test_the_id_is_of_function_and_config():
    job = Job("tiny_jobs:count", {"b": [1, 2.5], "a": None})
    assert job.id == runs.content_hash("tiny_jobs:count", {"a": None, "b": [1, 2.5]})[:16]
    assert len(job.id) == 16


def test_the_id_knows_no_order_of_keys():
    one = Job("tiny_jobs:count", {"number": 1, "more": {"x": (1, 2), "y": True}})
    other = Job("tiny_jobs:count", {"more": {"y": True, "x": [1, 2]}, "number": 1})
    assert one.id == other.id and one == other
    assert list(one.config) == list(other.config)


def test_what_differs_has_another_id():
    configs = [{}, {"a": 1}, {"a": 2}, {"a": 1.0}, {"a": True}, {"a": "1"}, {"a": [1]}, {"b": 1}, {"a": None}]
    found = {Job(function, config).id for config in configs for function in ("m:f", "m:g", "n:f")}
    assert len(found) == 3 * len(configs)


def test_a_job_does_not_change_with_the_mapping_it_was_made_of():
    config = {"rows": [1]}
    job = Job("tiny_jobs:count", config)
    before = job.id
    config["rows"].append(2)
    assert job.id == before and job.config == {"rows": [1]}


@pytest.mark.parametrize("function", ["count", "tiny_jobs.count", "tiny_jobs:", ":count", "a:b:c", "a-b:c", "../a:b"])
def test_a_function_without_its_module_is_refused(function):
    with pytest.raises(UserError, match=r"expected package\.module:function$"):
        Job(function, {})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), {"x": 1, 2: 3}])
def test_a_config_that_is_no_json_is_refused(value):
    with pytest.raises(UserError, match=r"^config of tiny_jobs:count is not JSON: "):
        Job("tiny_jobs:count", {"value": value})


# Sweeps


def test_a_sweep_leaves_one_folder_a_job_and_says_where(control, tmp_path):
    done = run_jobs(jobs([2, 0, 1]), tmp_path / "sweep")
    assert list(done) == ids([2, 0, 1])
    for number, (id, folder) in zip([2, 0, 1], done.items(), strict=True):
        assert folder == tmp_path / "sweep" / id
        assert sorted(path.name for path in folder.iterdir()) == ["job.json", "place.json", "sum"]
        assert json.loads((folder / "job.json").read_text()) == {
            "function": "tiny_jobs:count", "config": {"number": number}, "id": id,
        }  # fmt: skip
        assert (folder / "sum").read_text() == str(4 * number**2 + 6)
    assert {path.name for path in (tmp_path / "sweep").iterdir()} == {*done, ".locks"}


def test_a_finished_job_is_not_repeated(control, tmp_path):
    run_jobs(jobs([0, 1]), tmp_path)
    run_jobs(jobs([1, 2, 0]), tmp_path)
    assert [event.number for event in control.events("start")] == [0, 1, 2]


def test_equal_jobs_are_done_once(control, tmp_path):
    assert list(run_jobs(jobs([1, 0, 1, 1, 0]), tmp_path)) == ids([1, 0])
    assert [event.number for event in control.events("start")] == [1, 0]


def test_no_jobs_are_no_work(control, tmp_path):
    assert run_jobs([], tmp_path) == {}


def test_a_function_may_do_as_it_likes_with_its_config(control, tmp_path):
    job = Job("tiny_jobs:take_apart", {"rows": (1, 2), "number": 3})
    folder = run_jobs([job], tmp_path)[job.id]
    assert json.loads((folder / "given.json").read_text()) == {"number": 3, "rows": [1, 2]} == job.config
    assert json.loads((folder / "job.json").read_text())["config"] == job.config


def test_progress_counts_what_is_over(control, tmp_path):
    run_jobs(jobs([0]), tmp_path)
    control.fail(2, "defect")
    calls = []
    with pytest.raises(RuntimeError):
        run_jobs(jobs([0, 1, 2, 3, 3]), tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [("jobs", 1, 4)] * 4  # the one that was finished, then each as it is over


def test_a_folder_that_cannot_be_made_is_refused(control, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^cannot write results to "):
        run_jobs(jobs([0]), tmp_path / "file")
    assert control.events() == []


# Failures


def test_the_sweep_goes_on_after_a_failure_and_names_it(control, tmp_path):
    control.fail(1, "defect")
    control.fail(2, "defect")
    control.fail(4, "user")
    with pytest.raises(RuntimeError) as caught:
        run_jobs(jobs([4, 0, 1, 2, 3]), tmp_path)
    zero, one, two, three, four = ids(range(5))
    assert str(caught.value) == (
        f"3 of 5 jobs failed, the others are finished; {four}: a wrong call; {one}, {two}: RuntimeError: a defect"
    )
    assert str(caught.value.__cause__) == "a defect\nof two lines"  # rather than the wrong call before it
    assert control.finished() == [0, 3]
    assert {path.name for path in tmp_path.iterdir()} == {
        "control", ".locks", zero, three, f".work-{one}", f".work-{two}", f".work-{four}",
    }  # fmt: skip


def test_a_failed_job_goes_on_from_its_work_folder(control, tmp_path):
    control.fail(0, "defect")
    with pytest.raises(RuntimeError):
        run_jobs(jobs([0]), tmp_path)
    control.mend(0)
    folder = run_jobs(jobs([0]), tmp_path)[ids([0])[0]]
    assert [event.step for event in control.events("start")] == [0, 2]
    assert (folder / "sum").read_text() == "6"


def test_a_wrong_call_within_a_job_stays_one(control, tmp_path):
    control.fail(0, "user")
    control.fail(1, "user")
    with pytest.raises(UserError, match=f"^2 of 3 jobs failed, .*; {', '.join(ids([0, 1]))}: a wrong call$") as caught:
        run_jobs(jobs([0, 1, 2]), tmp_path)
    assert isinstance(caught.value.__cause__, UserError)
    assert control.finished() == [2]


def test_an_interrupt_stops_the_sweep_and_frees_the_job(control, tmp_path):
    interrupted = Job("tiny_jobs:interrupt", {})
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_jobs([interrupted, *jobs([0])], tmp_path)
    assert (tmp_path / f".work-{interrupted.id}" / "touched").exists()
    assert control.events() == []


# Wrong calls


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("no_such_module:f", "job function 'no_such_module:f': there is no module no_such_module"),
        ("tiny_jobs.more:f", "job function 'tiny_jobs.more:f': there is no module tiny_jobs.more"),
        ("tiny_jobs:f", "job function 'tiny_jobs:f': tiny_jobs has no function f"),
        ("tiny_jobs:STEPS", "job function 'tiny_jobs:STEPS': tiny_jobs has no function STEPS"),
    ],
)
def test_a_function_that_is_not_there_is_refused_before_any_job(control, tmp_path, function, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        run_jobs([*jobs([0]), Job(function, {})], tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists() and control.events() == []


def test_a_module_that_misses_another_says_which(control, tmp_path, monkeypatch):
    (tmp_path / "half_a_module.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        run_jobs([Job("half_a_module:f", {})], tmp_path)


def test_engines_have_names(tmp_path):
    with pytest.raises(UserError, match=r"^engine 'slurm' is unknown; expected local or ray$"):
        run_jobs([], tmp_path, engine="slurm")
    with pytest.raises(UserError, match=r"^address 'auto' is of no use to engine local; give engine ray with it$"):
        run_jobs([], tmp_path, address="auto")


def test_without_ray_the_extra_is_named(control, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"^engine ray needs Ray: pip install 'tradeoffbounds\[distributed\]'$"):
        run_jobs(jobs([0]), tmp_path, engine="ray")
    run_jobs(jobs([0]), tmp_path)
    assert list(run_jobs(jobs([0]), tmp_path, engine="ray")) == ids([0])  # what is finished needs no Ray
