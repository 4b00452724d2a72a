"""Importing the package is light, and its names come when they are first used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tradeoffbounds

HEAVY = ("torch", "jax", "flax", "transformers", "peft", "trl", "datasets", "matplotlib", "sklearn", "scipy", "plotly",
         "numpy", "pandas", "jinja2", "rich", "tyro")  # fmt: skip


def loaded_by(statement):
    """Modules that a new interpreter has after a statement."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    loaded = loaded_by("import tradeoffbounds")
    assert "tradeoffbounds" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    "module", ["errors", "runs", "bounds", "bounds.bound", "sources", "config", "audit_config", "validate_config"]
)
def test_neither_options_nor_theorems_need_a_model_library(module):
    loaded = loaded_by(f"import tradeoffbounds.{module}")
    assert f"tradeoffbounds.{module}" in loaded
    assert not loaded & {"torch", "jax", "transformers", "peft", "trl", "sklearn", "matplotlib", "plotly"}


def test_a_door_s_manual_needs_none_either():
    modules = {"torch", "jax", "transformers", "peft", "trl", "matplotlib", "plotly"}
    doors = [f"tradeoffbounds.{door}" for door in ("validate", "audit", "study")]
    loaded = loaded_by(f"import {', '.join(doors)}")
    assert set(doors) <= loaded and not loaded & {*modules, "sklearn", "scipy"}
    assert not loaded_by("import tradeoffbounds.estimate") & modules


def test_every_name_that_is_promised_is_there():
    for name in tradeoffbounds._HOMES:
        assert callable(getattr(tradeoffbounds, name)), name
        assert name in dir(tradeoffbounds)
    with pytest.raises(AttributeError, match="no attribute 'estimat'"):
        tradeoffbounds.estimat  # noqa: B018


def test_type_checkers_are_told_of_the_same_names():
    tree = ast.parse(Path(tradeoffbounds.__file__).read_text("utf-8"))
    told = {
        alias.asname: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        for alias in node.names if alias.asname
    }  # fmt: skip
    assert told == tradeoffbounds._HOMES
