"""Sweeps of real fine-tunes in processes of their own: killed and started again, and two at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import tradeoffbounds

from .conftest import read_json

pytestmark = pytest.mark.slow

SOURCE = Path(tradeoffbounds.__file__).parents[1]
#: Six fine-tunes: of two seeds, one free and two in balls. The proxy is the alignment's data and needs no reference.
SIX = {"proxy": "safety", "seeds": (0, 1), "radius": (0.01, 0.02), "steps": 8}
#: Measuring the start, and a reference for each seed.
BEFORE_THE_RUNS = 3


class Sweeps:
    """`python -m tradeoffbounds.validate` as processes of their own."""

    def __init__(self, folder, options):
        self.folder, self.options, self.processes = folder, options, []

    def begin(self, name):
        """Start the sweep in folder ``name``, with a cache there that is its own."""
        out, said = self.folder / name, open(self.folder / f"{name}-{len(self.processes)}.txt", "wb")  # noqa: SIM115
        environment = os.environ | {
            "PYTHONPATH": str(SOURCE), "HF_HUB_OFFLINE": "1", "TRADEOFFBOUNDS_CACHE": str(out.with_suffix(".cache")),
        }  # fmt: skip
        command = [sys.executable, "-m", "tradeoffbounds.validate", *self.options(out, **SIX), "--quiet"]
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        self.processes.append((process, said))
        return process

    def end(self):
        for process, said in self.processes:
            process.kill()
            process.wait()
            said.close()

    def said(self):
        return "\n".join(path.read_text() for path in self.folder.glob("*.txt"))


@pytest.fixture(scope="module")
def sweeps(options, tmp_path_factory):
    found = Sweeps(tmp_path_factory.mktemp("sweeps"), options)
    yield found
    found.end()


@pytest.fixture(scope="module")
def whole(sweeps):
    """Left to itself; by two processes at once."""
    processes = [sweeps.begin("whole") for _ in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0], sweeps.said()
    return sweeps.folder / "whole"


@pytest.fixture(scope="module")
def killed(sweeps):
    """Killed in the middle of a training, and started again."""
    out = sweeps.folder / "killed"
    process = sweeps.begin("killed")
    deadline = time.monotonic() + 300
    while not (len(finished(out)) >= BEFORE_THE_RUNS + 2 and list(out.glob("runs/.work-*/checkpoints/checkpoint-*"))):
        assert process.poll() is None and time.monotonic() < deadline, sweeps.said()
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9
    before = SimpleNamespace(
        finished={path: state(path) for path in finished(out)},
        began={path.name.removeprefix(".work-") for path in out.glob("runs/.work-*")},
        record=(out / "validate.json").exists(),
    )
    assert sweeps.begin("killed").wait(timeout=300) == 0, sweeps.said()
    return out, before


def finished(out):
    return sorted(path for path in out.glob("runs/*") if not path.name.startswith("."))


def state(folder):
    """What would change if the run were repeated."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def untimed(folder):
    """What a run wrote, but for how long its validations took."""
    record = read_json(folder / "run.json")
    for entry in record["history"]:
        for name in ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second"):
            entry.pop(name, None)
    return record


def test_two_processes_on_one_folder_make_one_sweep(whole):
    record = read_json(whole / "validate.json")
    assert len(record["runs"]) == 6
    assert len(finished(whole)) == BEFORE_THE_RUNS + 6
    assert {run["id"] for run in record["runs"]} <= {path.name for path in finished(whole)}
    assert {path.name for path in whole.rglob(".*")} == {".locks"}
    for folder in finished(whole):
        assert read_json(folder / "run.json")["losses"]
    assert (whole / "figures" / "observed.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_that_was_killed_goes_on_where_it_was(killed):
    out, before = killed
    assert BEFORE_THE_RUNS + 2 <= len(before.finished) < BEFORE_THE_RUNS + 6 and not before.record
    assert len(before.began) == 1 and before.began <= {path.name for path in finished(out)}
    for path, files in before.finished.items():
        assert state(path) == files
    assert not list(out.glob("runs/.work-*"))


def test_a_sweep_that_was_killed_ends_with_the_numbers_of_one_that_was_not(killed, whole):
    out, _ = killed
    assert [path.name for path in finished(out)] == [path.name for path in finished(whole)]
    for folder in finished(out):
        assert untimed(folder) == untimed(whole / "runs" / folder.name)
        ours, theirs = (each / "adapter/adapter_model.safetensors" for each in (folder, whole / "runs" / folder.name))
        assert ours.exists() == theirs.exists()
        assert not ours.exists() or ours.read_bytes() == theirs.read_bytes(), ours
    ours, theirs = (read_json(folder / "validate.json") for folder in (out, whole))
    assert ours["config"].pop("out") != theirs["config"].pop("out")
    assert ours == theirs
