"""The same targets under Atheris, where it is installed: a few inputs each in CI, thousands in the long mode."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tradeoffbounds

from .trial import COUNTS, INPUTS, IS_LONG

HERE = Path(__file__).parent
SOURCE = Path(tradeoffbounds.__file__).parents[1]
TARGETS = ("data files", "sweep files", "prompt files", "judge outputs", "JSON records")


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="Atheris is not installed: pip install '.[fuzz]'"
)
@pytest.mark.parametrize("target", TARGETS if IS_LONG else TARGETS[:1])
def test_inputs_that_reach_new_lines_are_results_or_one_line(tmp_path, target):
    runs = INPUTS if IS_LONG else max(100, INPUTS // 2)
    done = subprocess.run(
        [sys.executable, str(HERE / "coverage_guided.py"), target, str(runs), str(tmp_path / "work")], cwd=tmp_path,
        check=False,
        env=os.environ | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    accepted, refused = map(int, (tmp_path / "work" / "tally").read_text().split())
    assert accepted + refused >= runs - 100
    COUNTS[f"{target} (Atheris)"].update(accepted=accepted, refused=refused)
