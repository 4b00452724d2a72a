"""A sweep killed at random moments: nothing lost, nothing run twice, nothing half counted as whole, no lock in the way.

TRADEOFFBOUNDS_FUZZ of 10000 or more kills it 100 times, else 8.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time

import pytest

from tradeoffbounds import sweeps
from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import PARTIAL
from tradeoffbounds.sweeps import run_jobs

from .conftest import HERE, SOURCE, contents
from .ticking_jobs import JOBS, jobs
from .tiny_jobs import jobs as tiny_jobs

KILLS = 100 if int(os.environ.get("TRADEOFFBOUNDS_FUZZ", "500")) >= 10_000 else 8
#: More lines than a whole sweep of these jobs takes of the package.
LINES = 3000


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """What the folder of a sweep that nobody disturbs holds."""
    monkeypatch.setenv("TICKING_LOG", str(tmp_path / "whole.log"))
    monkeypatch.syspath_prepend(HERE)
    run_jobs(jobs(), tmp_path / "whole")
    return contents(tmp_path / "whole")


def start(folder, log, *line):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE)])}
    command = [sys.executable, "-m", "ticking_jobs", str(folder), str(log), *map(str, line)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def events(log, what):
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [int(number) for name, number in lines if name == what]


def finished(folder):
    return {job.config["number"] for job in jobs() if (folder / job.id).is_dir()}


def test_a_sweep_killed_at_random_moments_ends_as_one_that_was_not(tmp_path, whole):
    chance, kills, sweep = random.Random(os.urandom(8) if KILLS > 8 else 0), 0, 0
    while kills < KILLS:
        sweep += 1
        folder, log = tmp_path / f"sweep{sweep}", tmp_path / f"log{sweep}"
        done: set[int] = set()
        while len(done) < JOBS:
            started = len(events(log, "start"))
            if kills % 2:
                process = start(folder, log, chance.randrange(1, LINES))
            else:
                process = start(folder, log)
                time.sleep(0.1 + 0.3 * chance.random())
                process.kill()
            kills += process.wait() == -9
            now = finished(folder)
            assert done <= now, "a finished job is lost"
            again = set(events(log, "start")[started:]) & done
            assert not again, f"finished jobs {again} started again"
            # What counts as finished is whole, whatever moment the kill came at.
            assert {
                name: kept for name, kept in contents(folder).items() if not name.startswith(".work")
            }.items() <= whole.items()
            done = now
        run_jobs(jobs(), folder)  # finishes what the last kill left, or does nothing
        assert contents(folder) == whole
        # Each job computed to its end once, but for kills between that end and the folder's new name.
        assert set(events(log, "end")) == set(range(JOBS))
    assert kills >= KILLS


def test_two_killed_and_restarted_processes_on_one_folder_do_each_job_once(tmp_path, whole):
    folder, log, chance = tmp_path / "sweep", tmp_path / "log", random.Random(1)
    for _ in range(max(2, KILLS // 10)):
        pair = [start(folder, log, chance.randrange(1, LINES)), start(folder, log)]
        time.sleep(0.2 + 0.2 * chance.random())
        pair[1].kill()
        for process in pair:
            process.wait()
    processes = [start(folder, log) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert contents(folder) == whole


def test_what_a_killed_process_left_half_written_is_not_in_the_results(control, tmp_path):
    (job,) = tiny_jobs([5])
    work = tmp_path / "sweep" / f".work-{job.id}"
    (work / "deep" / f"{PARTIAL}folder").mkdir(parents=True)
    (work / f"{PARTIAL}x.json").write_text("{")
    (work / "deep" / f"{PARTIAL}folder" / "x").touch()
    run_jobs([job], tmp_path / "sweep")
    names = {path.name for path in (tmp_path / "sweep" / job.id).rglob("*")}
    assert names == {"job.json", "place.json", "sum", "deep"}


@pytest.mark.parametrize("name", ["{id}", ".work-{id}"])
def test_a_file_in_the_place_of_a_jobs_folder_is_one_line_before_anything_is_run(control, tmp_path, name):
    one, two = tiny_jobs([0, 1])
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / name.format(id=two.id)).write_text("a file")
    with pytest.raises(UserError, match="a file is where a job's folder is to be; remove it"):
        run_jobs([one, two], tmp_path / "sweep")
    assert control.events() == []


def test_a_file_in_the_place_of_the_locks_is_one_line(control, tmp_path):
    (tmp_path / ".locks").write_text("")
    with pytest.raises(UserError, match="cannot write results to"):
        run_jobs(tiny_jobs([0]), tmp_path)


# Clocks


@contextlib.contextmanager
def jumping_clock(patch):
    """The time of day goes to and fro by years, at every look."""
    true, jumps = time.time, random.Random(0)
    patch.setattr(time, "time", lambda: true() + jumps.choice([-1e9, -3600, 0, 3600, 1e9]))
    yield


def test_a_clock_that_jumps_changes_nothing(tmp_path, whole, monkeypatch):
    seen = []
    with monkeypatch.context() as patch, jumping_clock(patch):
        run_jobs(jobs(), tmp_path / "sweep", progress=lambda *each: seen.append(each))
    assert contents(tmp_path / "sweep") == whole
    assert len(seen) == JOBS + 1


def test_a_job_held_elsewhere_is_waited_for_whatever_the_clock_says(control, tmp_path, monkeypatch):
    control.hold(0)
    first = control.sweep(tmp_path / "sweep", [0])
    while not control.events("start"):
        time.sleep(0.01)
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            control.release(0)
            assert first.wait(timeout=30) == 0

    monkeypatch.setattr(sweeps.time, "sleep", nap)
    monkeypatch.setattr(sweeps.time, "time", lambda: -1e9)
    run_jobs(tiny_jobs([0]), tmp_path / "sweep")
    assert [event.pid for event in control.events("finish", 0)] == [first.pid]
    assert len(naps) >= 3
