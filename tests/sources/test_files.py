"""Files of every kind and layout, and one clear error for each way a file can be wrong."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources import REGISTRY, Row
from tradeoffbounds.sources.columns import Record, to_rows
from tradeoffbounds.sources.files import read_records

TURNS = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three"},
    {"role": "assistant", "content": "four"},
]
SHAREGPT = [{"from": "human", "value": "one"}, {"from": "gpt", "value": "two"}]


def rows_of(*values, entry=None):
    return to_rows([Record(f"data:{n}", v) for n, v in enumerate(values, 1)], "data", entry)


def read(path, entry=None):
    return to_rows(read_records(path), str(path), entry)


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ({"prompt": "p", "response": "r"}, Row("p", "r")),
        ({"prompt": "p", "response": "r", "completion": "no", "answer": "no"}, Row("p", "r")),
        ({"prompt": "p", "completion": "r"}, Row("p", "r")),
        ({"prompt": "p", "chosen": "r", "rejected": "no"}, Row("p", "r")),
        ({"instruction": "p", "output": "r"}, Row("p", "r")),
        ({"instruction": "p", "input": "q", "output": "r"}, Row("p\n\nq", "r")),
        ({"instruction": "p", "input": "", "output": "r"}, Row("p", "r")),
        ({"instruction": "p", "input": None, "output": "r"}, Row("p", "r")),
        ({"instruction": "p", "context": "q", "response": "r"}, Row("p\n\nq", "r")),
        ({"question": "p", "answer": "r"}, Row("p", "r")),
        ({"messages": TURNS}, Row("one", "two")),
        ({"conversations": SHAREGPT}, Row("one", "two")),
        ({"prompt": TURNS[:2], "chosen": "r"}, Row("one", "r")),
        ({"prompt": TURNS[:4], "chosen": "four"}, Row("three", "four")),
        ({"prompt": TURNS[:4], "completion": TURNS[4:]}, Row("three", "four")),
        ({"prompt": "one", "chosen": TURNS}, Row("one", "two")),
        ({"prompt": "p", "response": None}, Row("p", "")),
        ({"messages": TURNS[:2]}, Row("one", "")),
        ({"messages": []}, Row("", "")),
    ],
)
def test_layouts(values, row):
    assert rows_of(values) == [row]


@pytest.mark.parametrize(
    ("name", "values", "row"),
    [
        ("orca", {"system_prompt": "s", "question": "q", "response": "r"}, Row("s\n\nq", "r")),
        ("orca", {"prompt": "p", "response": "r"}, Row("p", "r")),
        ("commitpackft", {"subject": "fix", "old_contents": "a", "new_contents": "b"}, Row("fix\n\na", "b")),
        ("ultrachat-200k", {"prompt": "one", "prompt_id": "x", "messages": TURNS}, Row("one", "two")),
        (
            "ultrafeedback-binarized",
            {"prompt": "one", "chosen": TURNS[1:3], "messages": []},
            Row("one", "two"),
        ),
        ("dolly", {"instruction": "p", "context": "q", "response": "r", "category": "x"}, Row("p\n\nq", "r")),
        ("safety-tuned", {"instruction": "p", "output": "r"}, Row("p", "r")),
    ],
)
def test_registered_columns_come_first_and_the_general_rules_after(name, values, row):
    if name == "orca" and "system_prompt" in values:
        # Its prompt column need not be the first one that is filled in.
        assert rows_of(values | {"system_prompt": ""}, entry=REGISTRY[name]) == [Row("q", "r")]
    assert rows_of(values, entry=REGISTRY[name]) == [row]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": "x"}, r"data: no prompt and response columns; found: text; accepted: prompt\+response"),
        ({"prompt": "p", "response": 7}, r"data:1: 'response' must be text; got int 7"),
        ({"prompt": {"a": 1}, "response": "r"}, r"data:1: 'prompt' must be text; got an object with a"),
        ({"messages": "hello"}, r"data:1: 'messages' must be a list of messages; got str 'hello'"),
        ({"messages": [{"text": "hi"}]}, r"data:1: a message of 'messages' must have role and content"),
        ({"messages": ["hi"]}, r"got str 'hi'"),
        (
            {"messages": [{"role": "user", "content": 3}]},
            r"data:1: 'messages.content' must be text; got int 3",
        ),
        ({"prompt": "p", "response": "\ud83d"}, r"data:1: 'response' holds half of a surrogate pair"),
    ],
)
def test_wrong_columns_and_values_are_named(values, message):
    with pytest.raises(UserError, match=message):
        rows_of(values)


def test_a_row_without_the_column_of_the_others_is_named():
    with pytest.raises(UserError, match="data:2: no column 'response'"):
        rows_of({"prompt": "p", "response": "r"}, {"prompt": "p"})


def test_the_four_kinds_of_file_give_the_same_rows(tmp_path):
    table = [{"prompt": 'a "quoted", line\nbreak', "response": "42"}, {"prompt": "NA", "response": "ü\u2028"}]
    (tmp_path / "d.jsonl").write_text("\n\n".join(json.dumps(r, ensure_ascii=False) for r in table), "utf-8")
    (tmp_path / "d.json").write_text(json.dumps(table), "utf-8")
    lines = ("prompt,response", '"a ""quoted"", line\nbreak",42', "NA,ü\u2028", "")
    (tmp_path / "d.csv").write_text("\n".join(lines), "utf-8-sig")
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "d[1].parquet")
    before = sorted(path.name for path in tmp_path.iterdir())
    expected = [Row(r["prompt"], r["response"]) for r in table]
    for name in before:
        assert read(tmp_path / name) == expected, name
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_parquet_keeps_conversations(tmp_path):
    path = tmp_path / "chat.parquet"
    pq.write_table(pa.Table.from_pylist([{"messages": TURNS}]), path)
    assert read(path) == [Row("one", "two")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", b'{"prompt": "p", "response": "r"}\n\n{"prompt": \n', r"d.jsonl:3: not valid JSON: "),
        ("d.jsonl", b"[1]\n", r"d.jsonl:1: must be an object with named columns; got list"),
        ("d.jsonl", b"[" * 100_000, r"d.jsonl:1: not valid JSON"),
        ("d.json", b'[{"prompt": "p",\n "response": }]', r"d.json:2: not valid JSON: .*column 14"),
        ("d.json", b'{"prompt": "p"}', r"d.json: must be a list of objects; .* name it .jsonl"),
        ("d.json", b"[3]", r"d.json, row 1: must be an object"),
        ("d.csv", b"prompt,response\na,b\nc\n", r"d.csv:3: has 1 fields; the header has 2"),
        ("d.csv", b'prompt,response\na,"b\n', r"d.csv:\d: not valid CSV: unexpected end of data"),
        ("d.csv", b"prompt,response\n", r"d.csv: holds no rows"),
        ("d.jsonl", b"", r"d.jsonl: holds no rows"),
        ("d.json", b"", r"d.json: holds no rows"),
        ("d.json", b"[]", r"d.json: holds no rows"),
        ("d.parquet", b"nothing", r"d.parquet: not a Parquet file"),
        ("d.parquet", b"", r"d.parquet: not a Parquet file"),
        ("d.parquet", b"PAR1 cut off", r"d.parquet: not a Parquet file, or not the whole of one"),
        ("d.parquet", b"PAR1 scrambled PAR1", r"d.parquet: not a readable Parquet file"),
        ("d.jsonl", b'{"prompt": "\xff"}', r"d.jsonl: not UTF-8 \(byte 12\)"),
        ("d.csv", b"prompt,response\n\xff,b\n", r"d.csv: not UTF-8 \(byte 16\)"),
        ("d.txt", b"hello", r"d.txt: unknown kind of file '.txt'; accepted: .jsonl, .json, .csv, .parquet"),
        ("data", b"hello", r"data: unknown kind of file ''"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_directory_and_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="is a directory; give a file"):
        read_records(tmp_path)
    with pytest.raises(UserError, match=r"gone\.jsonl: no such file"):
        read_records(tmp_path / "gone.jsonl")
