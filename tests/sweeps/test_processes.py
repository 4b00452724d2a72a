"""Sweeps whose processes are killed, and sweeps of several processes."""

import subprocess

import pytest

from tradeoffbounds.sweeps import run_jobs

from .conftest import contents, wait_until
from .tiny_jobs import HELD_AT, jobs

NUMBERS = range(6)


def test_a_killed_sweep_ends_as_if_it_had_not_been(control, tmp_path):
    control.hold(3)
    killed = control.sweep(tmp_path / "killed", NUMBERS)
    wait_until(lambda: place_of(tmp_path / "killed", 3) == HELD_AT)
    killed.kill()
    assert killed.wait() == -9
    assert control.finished() == [0, 1, 2]
    control.release(3)

    assert control.sweep(tmp_path / "killed", NUMBERS).wait() == 0
    assert control.finished() == [*NUMBERS]
    starts = [(event.number, event.step) for event in control.events("start")]
    assert starts == [(0, 0), (1, 0), (2, 0), (3, 0), (3, HELD_AT), (4, 0), (5, 0)]

    assert control.sweep(tmp_path / "whole", NUMBERS).wait() == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole") != {}


def test_two_processes_share_a_sweep(control, tmp_path):
    control.hold(0)
    control.hold(1)
    processes = [control.sweep(tmp_path / "sweep", NUMBERS) for _ in range(2)]
    wait_until(lambda: len(control.events("start")) == 2)  # one at each of the first two jobs
    control.release(0)
    control.release(1)
    assert [process.wait() for process in processes] == [0, 0]
    assert sorted(event.number for event in control.events("start")) == [*NUMBERS]
    assert {event.pid for event in control.events("start")} == {process.pid for process in processes}
    assert control.finished() == [*NUMBERS]
    assert visible(tmp_path / "sweep") == {job.id for job in jobs(NUMBERS)}


def test_a_job_that_another_process_holds_is_waited_for(control, tmp_path):
    control.hold(0)
    first = control.sweep(tmp_path / "sweep", NUMBERS)
    wait_until(lambda: place_of(tmp_path / "sweep", 0) == HELD_AT)
    second = control.sweep(tmp_path / "sweep", NUMBERS)
    wait_until(lambda: control.finished() == [1, 2, 3, 4, 5])
    assert {event.pid for event in control.events("finish")} == {second.pid}
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(timeout=0.7)
    control.release(0)
    assert [first.wait(), second.wait()] == [0, 0]
    assert [(event.step, event.pid) for event in control.events("start", 0)] == [(0, first.pid)]
    assert [event.pid for event in control.events("finish", 0)] == [first.pid]


def test_the_job_of_a_killed_process_is_taken_over(control, tmp_path):
    control.hold(0)
    first = control.sweep(tmp_path / "sweep", NUMBERS)
    wait_until(lambda: place_of(tmp_path / "sweep", 0) == HELD_AT)
    second = control.sweep(tmp_path / "sweep", NUMBERS)
    wait_until(lambda: control.finished() == [1, 2, 3, 4, 5])
    first.kill()
    wait_until(lambda: len(control.events("start", 0)) == 2)
    control.release(0)
    assert second.wait() == 0
    assert [(event.step, event.pid) for event in control.events("start", 0)] == [(0, first.pid), (HELD_AT, second.pid)]
    assert control.finished() == [*NUMBERS]
    assert visible(tmp_path / "sweep") == {job.id for job in jobs(NUMBERS)}


def test_a_job_that_failed_elsewhere_is_tried_here(control, tmp_path):
    control.hold(0)
    first = control.sweep(tmp_path / "sweep", [0])
    wait_until(lambda: place_of(tmp_path / "sweep", 0) == HELD_AT)
    second = control.sweep(tmp_path / "sweep", [0, 1])
    wait_until(lambda: control.finished() == [1])
    control.fail(0, "defect")
    control.release(0)
    assert [first.wait(), second.wait()] == [1, 1]
    assert [event.pid for event in control.events("start", 0)] == [first.pid, second.pid]
    control.mend(0)
    assert list(run_jobs(jobs([0]), tmp_path / "sweep")) == [jobs([0])[0].id]


def place_of(folder, number):
    """The step that an unfinished job has reached."""
    place = folder / f".work-{jobs([number])[0].id}" / "place.json"
    return int(place.read_text().split(": ")[1].split(",")[0]) if place.exists() else None


def visible(folder):
    return {path.name for path in folder.iterdir() if path.name != ".locks"}
