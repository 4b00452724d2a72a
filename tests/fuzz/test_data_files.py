"""Data files of any content: the rows that are in them, or one line."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradeoffbounds.errors import UserError
from tradeoffbounds.estimate import main as estimate_main
from tradeoffbounds.sources import REGISTRY, Row, Source, load_preferences, load_source
from tradeoffbounds.sources.columns import Record, to_pairs, to_rows
from tradeoffbounds.sources.files import read_records

from .trial import Reached, Refused, at_door, inputs, outcome, untouched
from .values import TEXT, dumped, nested, spoilt

COLUMNS = st.sampled_from([
    "prompt", "response", "completion", "chosen", "rejected", "instruction", "input", "context", "output", "question",
    "answer", "messages", "conversations", "role", "content", "from", "value",
])  # fmt: skip
ROWS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5)
LINES = "".join(
    json.dumps({"prompt": f"Ask {n} é", "response": f"Say {n}"}, ensure_ascii=False) + "\n" for n in range(4)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def load(path: Path):
    return load_source(path, role="capability", min_rows=1, allow_hub=False)


def written(folder: Path, rows) -> list[Path]:
    """The same rows in the four kinds of file."""
    table = [{"prompt": prompt, "response": response} for prompt, response in rows]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, table)), "utf-8")
    (folder / "d.json").write_text(json.dumps(table, ensure_ascii=False), "utf-8", newline="")
    with (folder / "d.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["prompt", "response"])
        writer.writerows(rows)
    pq.write_table(pa.Table.from_pylist(table), folder / "d.parquet")
    return [folder / f"d.{kind}" for kind in ("jsonl", "json", "csv", "parquet")]


@inputs(0.2)
@given(ROWS)
@example([("x" * 200_000, "a field beyond the csv module's own limit")])
@example([("a\rb", "a\r\nb"), ("\ufeff", "\0")])
def test_rows_that_are_written_are_those_that_are_read(folder, rows):
    expected = [Row(prompt if prompt.strip() else "", response) for prompt, response in rows]
    paths = written(folder, rows)
    with untouched(folder):
        for path in paths:
            assert outcome("data files", lambda path=path: to_rows(read_records(path), str(path))) == expected, path
        sources = [outcome("data files", lambda path=path: load(path)) for path in paths]
    kept = Source.from_rows("d", "local", expected)
    for source in sources:
        assert isinstance(source, Refused) if not kept.rows else source.rows == kept.rows


@inputs(0.25)
@given(st.data())
@example(None)
def test_a_spoilt_file_of_lines_has_the_rows_of_its_lines(folder, data):
    content = b'{"prompt": "' + b"9" * 5000 + b'", "n": ' + b"9" * 5000 + b"}\n" if data is None else data.draw(
        spoilt(LINES.encode())
    )  # fmt: skip
    path = folder / "spoilt.jsonl"
    path.write_bytes(content)
    found = outcome("data files", lambda: to_rows(read_records(path), str(path)))
    assert path.read_bytes() == content
    if isinstance(found, Refused):
        return
    lines = [line for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    assert [(row.prompt, row.response) for row in found] == [
        (read["prompt"] or "", read["response"] or "") for read in map(json.loads, lines)
    ]


@inputs(0.15)
@given(st.data())
def test_a_spoilt_table_is_read_as_it_stands(folder, data):
    content = data.draw(spoilt(b'prompt,response\r\n"Ask ""1""",Say 1\r\nAsk 2,"Say\n2"\r\n'))
    path = folder / "spoilt.csv"
    path.write_bytes(content)
    found = outcome("data files", lambda: to_rows(read_records(path), str(path)))
    if not isinstance(found, Refused):
        header, *lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        assert [row.response for row in found] == [
            dict(zip(header, cells, strict=True))["response"] for cells in lines if cells
        ]


@inputs(0.1)
@given(st.data())
def test_a_spoilt_list_of_objects_is_read_or_refused(folder, data):
    path = folder / "spoilt.json"
    path.write_bytes(data.draw(spoilt(json.dumps([json.loads(line) for line in LINES.splitlines()]).encode())))
    found = outcome("data files", lambda: load(path))
    if not isinstance(found, Refused):
        assert all(isinstance(row.prompt, str) and row.response.strip() for row in found.rows)


@inputs(0.1)
@given(
    st.lists(st.dictionaries(COLUMNS, nested(COLUMNS), max_size=4), min_size=1, max_size=3),
    st.sampled_from([None, *REGISTRY]),
)
def test_records_of_any_shape_are_rows_of_text_or_refused(values, name):
    records = [Record(f"data:{n}", value) for n, value in enumerate(values, 1)]
    entry = None if name is None else REGISTRY[name]
    found = outcome("data files", lambda: to_rows(records, "data", entry))
    if not isinstance(found, Refused):
        assert len(found) == len(records)
        assert all(row.prompt.encode() is not None and row.response.encode() is not None for row in found)
    pairs = outcome("data files", lambda: to_pairs(records, "data", entry))
    assert isinstance(pairs, Refused) or len(pairs) == len(records)


_LONG = st.integers(-(2**62), 2**62)
_TYPES = [
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.int64(), _LONG),
    (pa.float64(), st.floats()),
    (pa.binary(), st.binary(max_size=5)),
    (pa.bool_(), st.booleans()),
    (pa.timestamp("ns"), _LONG),
    (pa.duration("s"), _LONG),
    (pa.date64(), st.integers(-(10**15), 10**15)),
    (pa.list_(pa.string()), st.lists(TEXT, max_size=2)),
    (pa.struct([("role", pa.string())]), st.just({"role": "user"})),
    (pa.decimal128(5, 2), st.none()),
    (pa.null(), st.none()),
    (pa.dictionary(pa.int8(), pa.string()), st.none()),
]


@inputs(0.1)
@given(st.data())
def test_a_parquet_file_of_any_columns_or_none_is_read_or_refused(folder, data):
    names = data.draw(st.lists(COLUMNS | TEXT, min_size=1, max_size=3))
    columns = []
    for _ in names:
        kind, values = data.draw(st.sampled_from(_TYPES))
        columns.append(pa.array([data.draw(values | st.none()) for _ in range(2)], kind))
    path = folder / "any.parquet"
    metadata = data.draw(
        st.sampled_from(
            [None, {"huggingface": '{"info": {"features": {"prompt": {"_type": "Image"}}}}'}, {"huggingface": "{"}]
        )
    )
    pq.write_table(
        pa.table(
            columns, schema=pa.schema([pa.field(n, c.type) for n, c in zip(names, columns, strict=True)], metadata)
        ),
        path,
    )
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :])
    found = outcome("data files", lambda: load(path))
    if not isinstance(found, Refused):
        assert all(isinstance(row.prompt, str) and isinstance(row.response, str) for row in found.rows)


@inputs(0.1)
@given(st.data())
def test_the_door_tells_a_bad_file_in_one_line_and_writes_no_result(folder, tmp_path_factory, data):
    path = folder / "door.jsonl"
    many = "".join(dumped({"prompt": f"Ask {n}", "response": f"Say {n}"}) + "\n" for n in range(30))
    path.write_bytes(data.draw(spoilt(many.encode())))
    out = tmp_path_factory.mktemp("out")
    wanted = data.draw(
        st.sampled_from([str(path), str(folder), "alpaca", "bundled:code", "bundled:none", "~nobody/x.csv"]) | TEXT
    )
    if "\0" in wanted or wanted.startswith("-"):
        wanted = "x.csv"

    def reached(*_):
        raise Reached

    with pytest.MonkeyPatch.context() as patch, untouched(folder):
        patch.setattr("tradeoffbounds.estimate.place", reached)
        patch.setattr("tradeoffbounds.estimate.check_model", lambda spec: None)
        at_door(
            "data files",
            estimate_main,
            ["--alignment", str(path), "--proxy", str(path), "--capability", wanted, "--out", str(out)],
        )
    assert not any(out.iterdir())


# What is in the place of a file


def special(folder, what):
    path = folder / f"{what}.jsonl"
    if what == "a directory":
        path.mkdir()
    elif what == "a link to itself":
        path.symlink_to(path)
    elif what == "a link to nothing":
        path.symlink_to(folder / "gone")
    elif what == "a pipe":
        os.mkfifo(path)
    elif what == "a device":
        path.symlink_to("/dev/zero")
    elif what == "a name too long":
        return folder / f"{'x' * 300}.jsonl"
    elif what == "a path too long":
        return folder.joinpath(*["x" * 200] * 30, "d.jsonl")
    elif what == "a NUL":
        return folder / "a\0b.jsonl"
    elif what == "nobody's home":
        return Path("~nobody-of-this-name/d.jsonl")
    return path


@pytest.mark.parametrize("what", [
    "a directory", "a link to itself", "a link to nothing", "a pipe", "a device", "a name too long", "a path too long",
    "a NUL", "nobody's home",
])  # fmt: skip
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, what):
    path = special(tmp_path, what)
    for spec in (path, str(path)):
        for loader in (load_source, load_preferences):
            with pytest.raises(UserError) as caught:
                loader(spec, role="proxy", allow_hub=False)
            assert "\n" not in str(caught.value)


# Minimal inputs of what was found


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", b'{"prompt": ' + b"9" * 5000 + b"}", "d.jsonl:1: not valid JSON: Exceeds the limit"),
        ("d.jsonl", b'{"prompt": "a", "prompt": "b", "response": "c"}',
        ":1: not valid JSON: the key 'prompt' is given twice"),
        ("d.csv", b"prompt,prompt\na,b\n", "d.csv:1: two columns are called 'prompt'"),
        ("d.jsonl", b'{"a\\nb": 1}', "found: 'a\\nb'; accepted"),
        ("d.jsonl", b'{"prompt": {"a\\nb": 1}, "response": ""}', "an object with 'a\\nb'"),
    ],
)  # fmt: skip
def test_minimal_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(tmp_path / name)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_deeply_nested_value_is_shown_in_a_few_words(tmp_path):
    depth = 900
    (tmp_path / "d.jsonl").write_text('{"prompt": ' + "[" * depth + "]" * depth + ', "response": ""}')
    with pytest.raises(UserError, match="a message of 'prompt' must have role and content"):
        load(tmp_path / "d.jsonl")


def test_a_parquet_column_that_calls_itself_pictures_is_text(tmp_path):
    features = {"info": {"features": {"prompt": {"_type": "Image"}, "response": {"dtype": "string", "_type": "Value"}}}}
    schema = pa.schema([("prompt", pa.string()), ("response", pa.string())], {"huggingface": json.dumps(features)})
    pq.write_table(pa.table([["http://127.0.0.1:9/x.png"], ["a"]], schema=schema), tmp_path / "d.parquet")
    assert load(tmp_path / "d.parquet").rows == (Row("http://127.0.0.1:9/x.png", "a"),)
