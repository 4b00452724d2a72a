"""The control folder of `tiny_jobs`, and sweeps in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import tradeoffbounds

HERE = Path(__file__).parent
SOURCE = Path(tradeoffbounds.__file__).parents[1]


class Event(NamedTuple):
    what: str
    number: int
    step: int
    pid: int


class Control:
    """What the jobs of a test did, and what they are held up by."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def hold(self, number):
        (self.folder / f"hold-{number}").touch()

    def release(self, number):
        (self.folder / f"hold-{number}").unlink()

    def fail(self, number, kind):
        (self.folder / f"fail-{number}").write_text(kind)

    def mend(self, number):
        (self.folder / f"fail-{number}").unlink()

    def events(self, what=None, number=None):
        log = self.folder / "log"
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        events = [Event(name, *map(int, rest)) for name, *rest in lines]
        return [event for event in events if what in (None, event.what) and number in (None, event.number)]

    def finished(self):
        return sorted(event.number for event in self.events("finish"))

    def sweep(self, folder, numbers):
        """A process that runs the jobs."""
        errors = open(self.folder / f"errors-{len(self.processes)}", "wb")  # noqa: SIM115  # closed by `end`
        process = subprocess.Popen([sys.executable, "-m", "tiny_jobs", folder, *map(str, numbers)], stderr=errors)
        self.processes.append((process, errors))
        return process

    def end(self):
        for process, errors in self.processes:
            process.kill()
            process.wait()
            errors.close()


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.01)


def contents(folder):
    """Every file below a sweep's folder, but for the lock files."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def control(tmp_path, monkeypatch):
    folder = tmp_path / "control"
    folder.mkdir()
    monkeypatch.setenv("SWEEP_CONTROL", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCE), str(HERE), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(HERE)
    control = Control(folder)
    yield control
    control.end()
