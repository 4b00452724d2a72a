"""The console command is each door's own command, and imports no door before one was chosen."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tradeoffbounds import __main__
from tradeoffbounds.__main__ import DOORS, main


class Door:
    """In the place of a door's module: remembers what it was called with."""

    def __init__(self, code):
        self.code, self.calls = code, []

    def main(self, arguments):
        self.calls.append(arguments)
        return self.code


@pytest.fixture
def said(capfd):
    """Call; exit code, stdout and stderr."""

    def call(*arguments):
        capfd.readouterr()
        code = main(list(arguments))
        return code, *capfd.readouterr()

    return call


@pytest.mark.parametrize("code", [0, 2])
@pytest.mark.parametrize("door", DOORS)
def test_a_door_is_called_with_the_rest_of_the_line_and_its_exit_code_is_passed_on(door, code, monkeypatch):
    stand_in = Door(code)
    monkeypatch.setitem(sys.modules, f"tradeoffbounds.{door}", stand_in)
    assert main([door, "--proxy", "alpaca", "--version", "--help"]) == code
    assert stand_in.calls == [["--proxy", "alpaca", "--version", "--help"]]


@pytest.mark.parametrize("door", DOORS)
def test_every_door_of_the_table_is_there_and_has_a_command(door):
    assert callable(importlib.import_module(f"tradeoffbounds.{door}").main)


def test_a_wrong_call_of_a_door_is_told_as_by_the_door_itself(said, capfd):
    from tradeoffbounds import estimate

    wrong = ["--penalty", "-1"]
    assert estimate.main(wrong) == 2
    by_itself = capfd.readouterr()
    assert said("estimate", *wrong) == (2, *by_itself)
    assert by_itself.err.startswith("error: --penalty must be") and by_itself.err.count("\n") == 1


def test_help_of_a_door_is_its_manual(said, capfd):
    from tradeoffbounds import audit

    with pytest.raises(SystemExit) as own:
        audit.main(["--help"])
    manual = capfd.readouterr().out
    with pytest.raises(SystemExit) as through:
        said("audit", "--help")
    assert capfd.readouterr().out == manual and "--harm-samples" in manual
    assert own.value.code == through.value.code == 0


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_door_and_what_it_is_for(flag, said):
    code, out, err = said(flag)
    assert (code, err) == (0, "")
    for door, purpose in DOORS.items():
        assert f"  {door}" in out and purpose in out


def test_without_a_door_the_help_is_shown_and_the_call_was_wrong(said):
    code, out, err = said()
    assert (code, out) == (2, "") and err.strip() == __main__.usage()


def test_the_version_is_the_package_s(said):
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    assert said("--version") == (0, f"tradeoffbounds {project['version']}\n", "")
    module, _, function = project["scripts"]["tradeoffbounds"].partition(":")
    assert getattr(importlib.import_module(module), function) is main


@pytest.mark.parametrize(
    ("given", "meant"), [("estimat", "estimate"), ("Validate", "validate"), ("adit", "audit"), ("studdy", "study")]
)
def test_a_misspelt_door_is_one_line_with_the_close_match(given, meant, said):
    code, out, err = said(given, "--proxy", "alpaca")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith(f"error: unknown door '{given}'; did you mean {meant}? ")


def test_what_is_near_no_door_is_one_line_with_all_of_them(said):
    code, _, err = said("quantise")
    assert code == 2 and err.count("\n") == 1 and "did you mean" not in err
    assert all(door in err for door in DOORS)
    assert said("--proxy", "alpaca")[2].startswith("error: unknown option '--proxy'. Doors: ")
    assert "\x1b" not in said("\x1b[2J")[2]


def test_python_m_is_the_command_and_no_door_is_imported_before_it_is_chosen():
    script = f"""
import sys, runpy
sys.argv = ["tradeoffbounds", "--help"]
try:
    runpy.run_module("tradeoffbounds", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
heavy = {{"numpy", "torch", "jax", "tyro", *("tradeoffbounds." + door for door in {list(DOORS)})}}
print("loaded:", sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: tradeoffbounds DOOR") and done.stdout.rstrip().endswith("loaded: []")
