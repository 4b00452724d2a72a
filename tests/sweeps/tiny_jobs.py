"""A job that counts, and `python -m tiny_jobs FOLDER NUMBER...`, a sweep of such jobs as a process of its own.

Both look at the folder SWEEP_CONTROL: `log` takes a line at each start and finish, `hold-N` keeps job N from its
third step, and `fail-N` makes it fail there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from tradeoffbounds.errors import UserError
from tradeoffbounds.sweeps import Job, run_jobs

STEPS = 4
HELD_AT = 2


def count(config, work):
    """Four steps of a twentieth of a second; its place after each is kept in the work folder."""
    control, number = Path(os.environ["SWEEP_CONTROL"]), config["number"]
    place = work / "place.json"
    state = json.loads(place.read_text()) if place.exists() else {"step": 0, "sum": 0}
    _log(control, "start", number, state["step"])
    while state["step"] < STEPS:
        if state["step"] == HELD_AT:
            while (control / f"hold-{number}").exists():
                time.sleep(0.01)
            _fail_if_asked(control / f"fail-{number}")
        time.sleep(0.05)
        state = {"step": state["step"] + 1, "sum": state["sum"] + number**2 + state["step"]}
        (work / "next").write_text(json.dumps(state))
        (work / "next").replace(place)
    (work / "sum").write_text(str(state["sum"]))
    _log(control, "finish", number, state["step"])


def interrupt(config, work):
    (work / "touched").touch()
    raise KeyboardInterrupt


def take_apart(config, work):
    """Keeps what it was given, and does not leave it as it was."""
    (work / "given.json").write_text(json.dumps(config))
    config["rows"].append(config.pop("number"))


def tell_accelerators(config, work):
    (work / "visible").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "any"))


class Unpicklable(Exception):
    """Goes through pickle, and cannot be read back."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_unpicklable(config, work):
    raise Unpicklable("one", "two")


def die(config, work):
    """The first time it takes its process with it."""
    if not (work / "died").exists():
        (work / "died").touch()
        os.kill(os.getpid(), 9)


def jobs(numbers):
    return [Job("tiny_jobs:count", {"number": number}) for number in numbers]


def _fail_if_asked(path):
    if path.exists():
        raise UserError("a wrong call") if path.read_text() == "user" else RuntimeError("a defect\nof two lines")


def _log(control, event, number, step):
    with open(control / "log", "a") as log:
        log.write(f"{event} {number} {step} {os.getpid()}\n")


if __name__ == "__main__":
    run_jobs(jobs(map(int, sys.argv[2:])), Path(sys.argv[1]))
