"""Jobs that take a few milliseconds and write down when they start and end; `python -m ticking_jobs FOLDER LOG [LINE]`.

With LINE the process kills itself when so many lines of the package's own sweeps and runs have been executed, which is
how a kill falls between any two of them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from tradeoffbounds.runs import write_json
from tradeoffbounds.sweeps import Job, run_jobs

JOBS = 12
_TRACED = ("sweeps.py", "runs.py", "ticking_jobs.py")


def tick(config, work):
    """Two results, one by this package's own writing and one by steps that can be resumed."""
    _log(f"start {config['number']}")
    if (work / "result.json").exists() and json.loads((work / "result.json").read_text())["number"] != config["number"]:
        raise AssertionError("another job's result")
    write_json(work / "result.json", {"number": config["number"], "square": config["number"] ** 2})
    time.sleep(0.002)
    write_json(work / "more" / "second.json", {"sum": sum(range(config["number"]))})
    _log(f"end {config['number']}")


def jobs():
    return [Job("ticking_jobs:tick", {"number": number}) for number in range(JOBS)]


def _log(line):
    # One write of a few bytes to a file opened for appending is whole or not there.
    handle = os.open(os.environ["TICKING_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def _die_at(line):
    left = line

    def trace(frame, event, argument):
        nonlocal left
        if not frame.f_code.co_filename.endswith(_TRACED):
            return None
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


if __name__ == "__main__":
    os.environ["TICKING_LOG"] = sys.argv[2]
    if len(sys.argv) > 3:
        _die_at(int(sys.argv[3]))
    run_jobs(jobs(), Path(sys.argv[1]))
