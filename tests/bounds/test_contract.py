"""What `bounds/` promises as a folder: the mathematics alone, and every theorem with its statement."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from tradeoffbounds.bounds import classifier_bound, linear_softmax, theorem1, theorem2, theorem3, theorem4

THEOREMS = [
    function
    for module in (theorem1, theorem2, theorem3, linear_softmax, theorem4, classifier_bound)
    for name, function in vars(module).items()
    if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
]


def test_bounds_import_no_model_no_torch_and_no_data_set():
    program = (
        "import importlib, pkgutil, sys, tradeoffbounds.bounds as bounds\n"
        "names = [module.name for module in pkgutil.iter_modules(bounds.__path__)]\n"
        "assert len(names) >= 10, names\n"
        "for name in names: importlib.import_module(f'tradeoffbounds.bounds.{name}')\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'datasets', 'peft', 'flax'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "inside = ('tradeoffbounds', 'tradeoffbounds.bounds', 'tradeoffbounds.errors')\n"
        "ours = {name for name in sys.modules if name.split('.')[0] == 'tradeoffbounds'}\n"
        "above = {name for name in ours if name not in inside and not name.startswith(inside[1])}\n"
        "assert not above, above\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("function", THEOREMS, ids=lambda function: f"{function.__module__}.{function.__name__}")
def test_every_theorem_states_itself(function):
    assert "=" in (inspect.getdoc(function) or "")  # "<=" is one, too
