"""The same sweeps on a Ray cluster of this machine."""

import re
import secrets

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.sweeps import Job, run_jobs

from .conftest import contents
from .tiny_jobs import jobs

ray = pytest.importorskip("ray", reason="needs the extra 'distributed'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def token():
    """Of the clusters; Ray would write one of its own into the user's home, and a process reads it once."""
    return secrets.token_hex(32)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, token):
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def cluster(control):
    """A connection that is open already, with what `control` set in the environment."""
    ray.init(address="local", num_cpus=2, num_gpus=0, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.fixture
def cluster_of_two_accelerators(control):
    """Ray believes what it is told of them."""
    ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False)
    yield
    ray.shutdown()


def test_ray_does_what_the_local_engine_does(control, tmp_path):
    calls = []
    done = run_jobs(jobs([2, 0, 1, 2]), tmp_path / "ray", engine="ray", progress=lambda *call: calls.append(call))
    assert not ray.is_initialized()
    assert calls == [("jobs", 0, 3)] + [("jobs", 1, 3)] * 3
    assert control.finished() == [0, 1, 2]
    assert list(done) == [job.id for job in jobs([2, 0, 1])]
    run_jobs(jobs([0, 1, 2]), tmp_path / "local")
    assert contents(tmp_path / "ray") == contents(tmp_path / "local") != {}


def test_failures_are_told_as_by_the_local_engine(control, cluster, tmp_path):
    control.fail(1, "user")
    one = jobs([1])[0].id
    with pytest.raises(UserError, match=f"^1 of 3 jobs failed, the others are finished; {one}: a wrong call$"):
        run_jobs(jobs([0, 1, 2]), tmp_path / "sweep", engine="ray")
    assert ray.is_initialized()
    assert control.finished() == [0, 2]

    control.fail(4, "defect")
    four = jobs([4])[0].id
    with pytest.raises(RuntimeError, match=f"{one}: a wrong call; {four}: RuntimeError: a defect$") as caught:
        run_jobs(jobs([0, 1, 3, 4]), tmp_path / "sweep", engine="ray")
    assert type(caught.value.__cause__) is RuntimeError
    assert "_fail_if_asked" in caught.value.__cause__.__notes__[0]  # the traceback of the worker
    assert control.finished() == [0, 2, 3]

    control.mend(1)
    run_jobs(jobs([1]), tmp_path / "sweep", engine="ray")
    assert [event.step for event in control.events("start", 1)] == [0, 2, 2]


def test_an_error_that_does_not_travel_is_a_failure_too(control, cluster, tmp_path):
    job = Job("tiny_jobs:raise_unpicklable", {})
    with pytest.raises(RuntimeError, match=rf"^1 of 2 jobs failed, .*; {job.id}: \w+: "):
        run_jobs([job, *jobs([0])], tmp_path / "sweep", engine="ray")
    assert control.finished() == [0]


def test_a_job_outlives_its_worker(control, cluster, tmp_path):
    job = Job("tiny_jobs:die", {})
    assert (run_jobs([job], tmp_path / "sweep", engine="ray")[job.id] / "died").exists()


def test_a_job_that_another_process_holds_is_waited_for(control, cluster, tmp_path):
    control.hold(0)
    holder = control.sweep(tmp_path / "sweep", [0])
    while not control.events("start", 0):
        assert holder.poll() is None

    def release(what, more, total):
        if control.finished() == [1, 2]:
            control.release(0)

    run_jobs(jobs([0, 1, 2]), tmp_path / "sweep", engine="ray", progress=release)
    assert holder.wait() == 0
    assert [event.pid for event in control.events("start", 0)] == [holder.pid]


def test_a_job_has_an_accelerator_to_itself(control, cluster_of_two_accelerators, tmp_path):
    done = run_jobs([Job("tiny_jobs:tell_accelerators", {"n": n}) for n in range(3)], tmp_path, engine="ray")
    assert {(folder / "visible").read_text() for folder in done.values()} <= {"0", "1"}


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:123456"])
def test_a_cluster_that_is_not_there_is_named(control, tmp_path, address):
    message = f"^no Ray cluster answers at '{re.escape(address)}' .*; start one with ray start --head, "
    with pytest.raises(UserError, match=message):
        run_jobs(jobs([0]), tmp_path, engine="ray", address=address)
    assert not ray.is_initialized()
