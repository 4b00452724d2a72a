"""How many odd inputs, kills and full disks does the toolkit survive? tests/fuzz and tests/sweeps in their long mode.

    python experiments/hard_knocks.py

Runs the fuzzing tests with TRADEOFFBOUNDS_FUZZ=10000 (that many inputs a group of targets; Atheris as many again of
each of its own where it is installed) and the sweeps that are killed at 100 random moments, as processes of their own.
Writes experiments/hard_knocks/results.json; what earlier runs found, and how it was mended, is in the README.md beside
it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from tradeoffbounds.runs import environment, read_json, write_json

ROOT, RESULTS = Path(__file__).parents[1], Path(__file__).with_suffix("")
PARTS = {
    "data files": ["tests/fuzz/test_data_files.py"],
    "options": ["tests/fuzz/test_options.py"],
    "sweep files": ["tests/fuzz/test_sweep_files.py"],
    "adapters": ["tests/fuzz/test_adapters.py"],
    "JSON records": ["tests/fuzz/test_records.py"],
    "judge outputs": ["tests/fuzz/test_judges.py"],
    "prompt files": ["tests/fuzz/test_prompt_files.py"],
    "coverage-guided (Atheris)": ["tests/fuzz/test_coverage_guided.py"],
    "adversity and large files": ["tests/fuzz/test_adversity.py", "tests/fuzz/test_large_files.py"],
    "killed sweeps": ["tests/sweeps/test_killed.py", "tests/sweeps/test_killed_for_real.py"],
}
_TOLD = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


@dataclass(frozen=True)
class Options:
    inputs: int = 10_000
    """Inputs of each group of targets; the long mode of everything else begins at 10,000."""
    only: tuple[str, ...] = ()
    """Parts to do again, the others staying as results.json has them; none named: all."""
    out: Path = RESULTS


def main(options: Options) -> int:
    path = options.out / "results.json"
    parts = read_json(path)["parts"] if options.only else {}
    for name, files in PARTS.items():
        if name in (options.only or PARTS):
            parts[name] = _part(files, options.inputs)
            _write(path, options.inputs, parts)
    return max(part["exit_code"] for part in parts.values())


def _write(path: Path, inputs: int, parts: dict[str, Any]) -> None:
    write_json(
        path,
        {
            "schema": "tradeoffbounds/experiment/1",
            "command": "python experiments/hard_knocks.py",
            "environment": environment("cpu", "float32")
            | {"fuzzing": {name: _version(name) for name in ("hypothesis", "atheris", "pytest")}},
            "inputs_a_group": inputs,
            "parts": {name: parts[name] for name in PARTS if name in parts},
            "inputs": sum(sum(found.values()) for part in parts.values() for found in part["inputs"].values()),
            "seconds": sum(part["seconds"] for part in parts.values()),
        },
    )


def _part(files: list[str], inputs: int) -> dict[str, Any]:
    """What pytest says of some files, and what became of their inputs."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.json"
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files], cwd=ROOT, text=True, check=False,
            env=os.environ | {"TRADEOFFBOUNDS_FUZZ": str(inputs), "TRADEOFFBOUNDS_FUZZ_COUNTS": str(counts)},
            stdout=subprocess.PIPE,
        )  # fmt: skip
        if done.returncode:
            print(done.stdout, file=sys.stderr)
        print(files, done.stdout.splitlines()[-1], flush=True)
        return {
            "exit_code": done.returncode,
            "tests": {word: int(number) for number, word in _TOLD.findall(done.stdout.splitlines()[-1])},
            "inputs": json.loads(counts.read_text("utf-8")) if counts.exists() else {},
            "seconds": round(time.monotonic() - begun),
        }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
