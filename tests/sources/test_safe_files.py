"""Data of people who mean harm: rows are text, names stay where they belong, and nothing in either is followed."""

import functools
import json
import os
import sys
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.grid import read_sweep
from tradeoffbounds.harm.prompts import load_harm_set
from tradeoffbounds.sources import load_source
from tradeoffbounds.sources.files import read_records

from ..traps import set_trap

REFUSED = ["rows.pkl", "rows.pickle", "rows.pt", "rows.bin", "rows.npz", "rows.npy", "rows.joblib"]
ARCHIVES = ["rows.zip", "rows.tar", "rows.jsonl.gz", "rows.tgz", "rows.csv.xz", "rows.jsonl.zst"]


@pytest.fixture
def marker(tmp_path_factory):
    return set_trap(tmp_path_factory.mktemp("trap"))


@functools.cache
def watch():
    """Lists that the names of opened files are added to; Python cannot be told to stop telling."""
    listening: list[list[str]] = []

    def hook(event, arguments):
        if event == "open":
            for names in listening:
                names.append(str(arguments[0]))

    sys.addaudithook(hook)
    return listening


@contextmanager
def opened_files():
    """The names of all files that are opened within."""
    names: list[str] = []
    watch().append(names)
    yield names
    watch().remove(names)


def write(file, /, rows=20, **more):
    file.parent.mkdir(parents=True, exist_ok=True)
    each = ({"prompt": f"ask {i}", "response": f"answer {i}"} | more for i in range(rows))
    file.write_text("".join(json.dumps(row) + "\n" for row in each), "utf-8")
    return file


def refused(call, *arguments, **options):
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Kinds of files


@pytest.mark.parametrize("name", REFUSED)
def test_pickled_rows_are_refused_with_the_reason(tmp_path, marker, name):
    (tmp_path / name).write_bytes(marker.trap)
    said = refused(load_source, str(tmp_path / name), role="proxy")
    assert f"{name} may hold a pickle, which can run code when it is read, and is never opened; accepted: .js" in said
    assert not marker.sprung()


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_are_refused_with_the_reason(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    said = refused(load_source, str(tmp_path / name), role="proxy")
    assert f"{name} is an archive, and archives are never opened; unpack it yourself and look at what is in" in said


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_a_pickle_by_another_name_is_not_read_as_one(tmp_path, marker, suffix):
    (tmp_path / f"rows{suffix}").write_bytes(marker.trap)
    refused(load_source, str(tmp_path / f"rows{suffix}"), role="proxy")
    assert not marker.sprung()


# What rows name is never opened


@pytest.mark.parametrize("column", ["file", "path", "image", "audio", "url", "$ref", "data_files"])
def test_a_path_in_a_row_is_text(tmp_path, column):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    with opened_files() as opened:
        for value in (str(secret), f"file://{secret}", {"path": str(secret), "bytes": None}):
            source = load_source(write(tmp_path / "rows.jsonl", **{column: value}), role="proxy")
            assert "the secret" not in str(source.rows)
    assert str(tmp_path / "rows.jsonl") in opened and not any("secret" in name for name in opened)


@pytest.mark.parametrize("kind", ["Image", "Audio", "Video", "Pdf"])
def test_a_parquet_file_that_calls_a_column_pictures_has_none_opened(tmp_path, kind):
    """`datasets` writes such metadata, obeys it, and opens whatever path or address a row names."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"the secret")
    pictures = pa.array(
        [{"bytes": None, "path": str(secret)}] * 3, pa.struct({"bytes": pa.binary(), "path": pa.string()})
    )  # fmt: skip
    rows = pa.table({"prompt": [f"ask {i}" for i in range(3)], "response": pictures})
    features = {"prompt": {"dtype": "string", "_type": "Value"}, "response": {"_type": kind}}
    pq.write_table(
        rows.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}),
        tmp_path / "rows.parquet",
    )
    with opened_files() as opened:
        read = [each.values["response"] for each in read_records(tmp_path / "rows.parquet")]
    assert read == [{"bytes": None, "path": str(secret)}] * 3
    assert not any("secret" in name for name in opened)


def test_a_column_of_a_type_of_its_own_is_read_as_what_it_stores(tmp_path, marker):
    """pyarrow once rebuilt such types by pickle, out of the file's own metadata."""
    field = pa.field(
        "response", pa.string(),
        metadata={"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": marker.trap},
    )  # fmt: skip
    table = pa.table({"prompt": [f"ask {i}" for i in range(20)], "response": [f"answer {i}" for i in range(20)]})
    pq.write_table(table.cast(pa.schema([table.schema.field("prompt"), field])), tmp_path / "rows.parquet")
    assert len(load_source(tmp_path / "rows.parquet", role="proxy").rows) == 20
    assert not marker.sprung()


# Names


@pytest.fixture
def data(tmp_path):
    """A data folder beside a file that is not in it."""
    write(tmp_path / "outside.jsonl")
    write(tmp_path / "data" / "inside.jsonl")
    write(tmp_path / "data" / "owner" / "name.jsonl")
    return tmp_path / "data"


def test_a_name_stays_in_the_data_folder(data, tmp_path):
    assert len(load_source("inside", role="proxy", data_dir=data).rows) == 20
    assert len(load_source("owner/name", role="proxy", data_dir=data).rows) == 20
    for name in ("../outside", str(tmp_path / "outside"), "owner/../../outside"):
        assert "unknown data set" in refused(load_source, name, role="proxy", data_dir=data, allow_hub=False)
        assert "unknown prompts" in refused(load_harm_set, name, data_dir=data, allow_hub=False)


def test_a_path_that_was_typed_is_the_users_own_choice(data, tmp_path, monkeypatch):
    monkeypatch.chdir(data)
    for path in ("../outside.jsonl", str(tmp_path / "outside.jsonl")):
        assert len(load_source(path, role="proxy", data_dir=data).rows) == 20


@pytest.mark.parametrize("name", ["../../../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/proc/self/environ"])
def test_a_file_of_another_kind_is_not_read_at_all(data, name):
    if not os.path.exists(name):
        pytest.skip(f"no {name} here")
    with opened_files() as opened:
        refused(load_source, name, role="proxy", data_dir=data, allow_hub=False)
    assert name not in opened


@pytest.mark.parametrize("name", ["a\0b", "a\0b.jsonl", "x" * 5000, "y" * 5000 + ".jsonl", "\ud800", "~" + "z" * 300])
def test_what_cannot_be_a_name_is_one_line(data, name):
    for call in (functools.partial(load_source, role="proxy"), load_harm_set):
        refused(call, name, data_dir=data, allow_hub=False)


@pytest.mark.parametrize("name", ["../../escape", "/absolute", "CON", "nul", ".", "..", "a\nb", "x" * 200, ".hidden"])
def test_names_of_categories_become_no_file_names(tmp_path, name, monkeypatch):
    """Categories and ids are text in records; answers are kept under a hash of what was asked."""
    from tradeoffbounds.harm.generation import AnswerFile
    from tradeoffbounds.runs import cache_dir, content_hash

    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    path = write(tmp_path / "asked.jsonl", rows=3, category=name)
    found = load_harm_set(path)
    assert {each.category for each in found.prompts} == {name.strip()}
    kept = cache_dir() / "completions" / f"{content_hash({'name': name})[:32]}.jsonl"
    with AnswerFile.locked(kept, {"name": name}, print) as answers:
        answers.add(name, "said")
    assert [each.parent for each in tmp_path.rglob("*.jsonl") if each != path] == [cache_dir() / "completions"]


# Files of settings and of results


@pytest.mark.parametrize(
    "text",
    [
        "penalty: !!python/object/apply:os.system ['true']",
        "penalty: !!python/name:os.system",
        "penalty: !!python/object/new:pathlib.Path ['x']",
        "!!python/module:os",
    ],
)
def test_yaml_makes_no_objects(tmp_path, text):
    (tmp_path / "grid.yaml").write_text(text)
    assert "not YAML: could not determine a constructor" in refused(read_sweep, tmp_path / "grid.yaml")


def test_arrays_of_a_shared_cache_are_numbers(tmp_path, marker):
    """As features and answers are read: an array of objects would be a pickle."""
    from ..traps import Trap

    np.savez(tmp_path / "kept.npz", rows=np.array([Trap(marker.path)], dtype=object))
    with np.load(tmp_path / "kept.npz", allow_pickle=False) as stored, pytest.raises(ValueError, match="allow_pickle"):
        _ = stored["rows"]
    assert not marker.sprung()
