"""Real fine-tunes of a tiny model, their process killed at random moments: in the long mode, for it takes minutes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

import pytest

from ..estimate.records import CODE, SAFETY, write_rows
from .conftest import SOURCE
from .test_killed import KILLS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(KILLS < 100, reason="long mode: TRADEOFFBOUNDS_FUZZ=10000"),
]
REAL_KILLS = 4
OPTIONS = [
    "--alignment", "safety", "--proxy", "near=other-safety", "--capability", "code", "--rows", "24",
    "--validation-rows", "6",
    "--test-rows", "10", "--steps", "8", "--batch", "4", "--start-steps", "4", "--device", "cpu", "--dtype", "float32",
    "--curvature", "off", "--penalty", "1", "--radius", "0.01", "--seeds", "0", "1", "--quiet",
]  # fmt: skip
_TIMES = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, words) in enumerate({"safety": SAFETY, "other-safety": SAFETY, "code": CODE}.items()):
        write_rows(folder / f"{name}.jsonl", words, seed, n=50)
    return folder


def begin(out, data, model):
    environment = os.environ | {
        "PYTHONPATH": str(SOURCE), "HF_HUB_OFFLINE": "1", "TRADEOFFBOUNDS_CACHE": str(out.with_suffix(".cache")),
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "tradeoffbounds.validate",
        *OPTIONS,
        "--model",
        str(model),
        "--data-dir",
        str(data),
        "--out",
        str(out),
    ]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finished(out):
    return {path.name: state(path) for path in out.glob("runs/*") if not path.name.startswith(".")}


def state(folder):
    """What would change if the run were repeated."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def measured(out):
    """Every run's numbers, but for how long its validations took."""
    records = {path.parent.name: json.loads(path.read_text("utf-8")) for path in out.glob("runs/*/run.json")}
    for record in records.values():
        for entry in record["history"]:
            for name in _TIMES:
                entry.pop(name, None)
    return records


def test_real_fine_tunes_killed_at_random_moments_end_as_if_they_had_not_been(tmp_path, data, tiny_folder):
    begun = time.monotonic()
    whole = begin(tmp_path / "whole", data, tiny_folder)
    assert whole.wait(timeout=1500) == 0, whole.stderr.read()
    lasts, chance, done = time.monotonic() - begun, random.Random(os.urandom(8)), {}
    out, kills = tmp_path / "killed", 0
    for _ in range(REAL_KILLS):
        process = begin(out, data, tiny_folder)
        try:
            assert process.wait(timeout=lasts * (0.3 + 0.7 * chance.random())) == 0, process.stderr.read()
        except subprocess.TimeoutExpired:
            process.kill()
            kills += process.wait() == -9
        now = finished(out)
        assert done.items() <= now.items(), "a finished run is lost, or was done again"
        done = now
    last = begin(out, data, tiny_folder)
    assert last.wait(timeout=1500) == 0, last.stderr.read()
    assert kills and done.items() <= finished(out).items()
    assert measured(out) == measured(tmp_path / "whole") and len(finished(out)) == len(finished(tmp_path / "whole"))
    ours, theirs = (json.loads((folder / "validate.json").read_text("utf-8")) for folder in (out, tmp_path / "whole"))
    assert ours["runs"] == theirs["runs"] and ours["verdict"] == theirs["verdict"]
    assert not list(out.glob("runs/.work-*"))
