"""Results appear whole or not at all."""

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tradeoffbounds import runs
from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import atomic_folder, atomic_path, content_hash, environment, open_run_folder, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Files


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "result.json"
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent and temporary.suffix == ".json"
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["result.json"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing_behind(tmp_path, error):
    def write():
        with atomic_path(tmp_path / "result.json") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == []


def test_an_error_leaves_what_was_there_before(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    def write():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert path.read_text() == "old" and names(tmp_path) == ["result.json"]


def test_two_writers_do_not_share_a_temporary_file(tmp_path):
    path = tmp_path / "result.json"
    with atomic_path(path) as first, atomic_path(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the last one to end
    assert names(tmp_path) == ["result.json"]


# Folders


def test_a_folder_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "model"
    with atomic_folder(path) as temporary:
        (temporary / "weights").write_text("w")
        assert not path.exists()
    assert names(path) == ["weights"] and names(path.parent) == ["model"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_no_folder_behind(tmp_path, error):
    def make():
        with atomic_folder(tmp_path / "model") as temporary:
            (temporary / "weights").write_text("half")
            raise error

    with pytest.raises(error):
        make()
    assert names(tmp_path) == []


def test_a_folder_that_another_process_made_meanwhile_stays(tmp_path):
    path = tmp_path / "model"
    with atomic_folder(path) as ours:
        (ours / "weights").write_text("ours")
        with atomic_folder(path) as theirs:
            (theirs / "weights").write_text("theirs")
    assert (path / "weights").read_text() == "theirs"
    assert names(tmp_path) == ["model"]


def test_a_file_in_the_folders_place_is_an_error_and_stays(tmp_path):
    path = tmp_path / "model"
    path.write_text("a file")
    with pytest.raises(OSError, match="model"), atomic_folder(path) as temporary:
        (temporary / "weights").touch()
    assert path.read_text() == "a file" and names(tmp_path) == ["model"]


# JSON


def test_json_is_written_as_it_is(tmp_path):
    record = {"λ": [0.1, None, True], "text": "système 😀", "nested": {"value": 1e-300}}
    write_json(tmp_path / "record.json", record)
    text = (tmp_path / "record.json").read_text("utf-8")
    assert json.loads(text) == record
    assert "λ" in text and text.endswith("}\n")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_holds_no_nan_and_no_infinity(tmp_path, value):
    path = tmp_path / "record.json"
    write_json(path, {"value": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"rows": [{"value": value}]})
    assert json.loads(path.read_text()) == {"value": 1}
    assert names(tmp_path) == ["record.json"]


# Run folders


def test_a_run_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    path = tmp_path / "a" / "b"
    assert open_run_folder(path) == path
    assert open_run_folder(path) == path
    assert names(path) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "file" / "out", tmp_path / "file"):
        with pytest.raises(UserError, match=f"^cannot write results to {path}: .*; choose another --out$"):
            open_run_folder(path)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    def full(dir):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs.tempfile, "TemporaryFile", full)
    with pytest.raises(UserError, match="No space left on device; choose another --out"):
        open_run_folder(tmp_path)


# Identity


def test_the_hash_is_that_of_plain_json():
    expected = hashlib.sha256('["états", {"a": 1, "b": [0.25, null]}, [1, 2]]'.encode()).hexdigest()
    assert content_hash("états", {"b": [0.25, None], "a": 1}, (1, 2)) == expected


def test_the_hash_is_the_same_in_every_process():
    code = "from tradeoffbounds.runs import content_hash; print(content_hash('a', {'x': 1, 'y': 2}, 0.1))"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": source_folder()},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }  # fmt: skip
    assert hashes == {content_hash("a", {"y": 2, "x": 1}, 0.1)}


def test_the_hash_keeps_its_parts_apart():
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"), (["a", "b"], "c"), ("1",), (1,), (True,), (None,)]
    assert len({content_hash(*each) for each in parts}) == len(parts)


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert runs.cache_dir() == tmp_path / "own"
    monkeypatch.delenv("TRADEOFFBOUNDS_CACHE")
    assert runs.cache_dir() == tmp_path / "xdg" / "tradeoffbounds"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runs.cache_dir() == tmp_path / ".cache" / "tradeoffbounds"


def test_the_environment_names_what_can_move_a_number():
    found = environment("cpu", "float32")
    assert found["device"] == "cpu" and found["dtype"] == "float32"
    assert {"torch", "transformers", "numpy", "scikit-learn"} <= set(found["versions"])
    assert all(found["versions"][name] for name in ("torch", "numpy"))
    assert json.loads(json.dumps(found)) == found


def source_folder():
    return str(Path(runs.__file__).parents[1])
