"""The table of data sets, and rows as identified, cleaned content."""

import subprocess
import sys

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources import (
    BUNDLED,
    REGISTRY,
    Row,
    Source,
    content_sha256,
    deduplicate,
    source_names,
    suggest,
)
from tradeoffbounds.sources.registry import find

PUBLISHED = {
    "orca", "alpaca", "alpaca-gpt4", "commitpackft", "ultrachat-200k", "ultrafeedback-binarized",
    "gsm8k", "dolly", "safety-tuned", "code-gpt4", "hex-phi", "bbq",
}  # fmt: skip


def test_registers_the_data_sets_of_the_study():
    assert set(REGISTRY) == PUBLISHED
    assert all(name == entry.name for name, entry in REGISTRY.items())


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry):
    assert entry.licence and entry.description
    if entry.role == "evaluation":
        assert entry.response_column is None and entry.stand_in is None
    else:
        assert entry.prompt_columns and entry.response_column
        assert entry.stand_in in BUNDLED


def test_an_entry_is_found_by_name_and_by_hub_id():
    assert find("gsm8k") is find("openai/gsm8k") is REGISTRY["gsm8k"]
    assert find("nobody/nothing") is None


def test_source_names_leave_out_evaluation_sets_and_include_stand_ins():
    names = source_names()
    assert "orca" in names and "bundled:safety" in names
    assert not {"hex-phi", "bbq"} & set(names)


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("alpacca", "alpaca"),
        ("ALPACA", "alpaca"),
        ("ultrachat", "ultrachat-200k"),
        ("bundled:cod", "bundled:code"),
    ],
)
def test_suggest_puts_the_nearest_name_first(typed, nearest):
    assert suggest(typed)[0] == nearest


def test_suggest_is_empty_when_nothing_is_near():
    assert suggest("qqqq") == ()


def test_deduplicate_counts_what_it_drops_and_keeps_the_first_as_written():
    rows = [
        Row("a  b\n", "c"),
        Row("a b", " c"),
        Row("a b", "d"),
        Row(" \n", "c"),
        Row("a", "\t"),
        Row("", ""),
    ]
    kept, dropped = deduplicate(rows)
    assert kept == (Row("a  b\n", "c"), Row("a b", "d"))
    assert dropped == {"duplicates": 1, "empty_prompt": 2, "empty_response": 1}


def test_the_hash_depends_on_content_order_and_borders():
    rows = [Row("ab", "c"), Row("d", "é\u2028")]
    assert content_sha256(rows) == content_sha256(list(rows))
    others = [rows[::-1], [Row("a", "bc"), rows[1]], [Row('ab","c"]\n["d', "é\u2028")], rows[:1]]
    assert len({content_sha256(r) for r in (rows, *others)}) == 5


def make_source(n):
    return Source.from_rows("numbers", "local", [Row(f"p{i}", f"r{i}") for i in range(n)])


def test_sample_is_deterministic_without_replacement_and_in_file_order():
    source = make_source(50)
    sample = source.sample(20, seed=3)
    order = [source.rows.index(row) for row in sample.rows]
    assert len(set(order)) == 20 and order == sorted(order)
    assert sample == source.sample(20, seed=3)
    assert sample.rows != source.sample(20, seed=4).rows
    assert sample.sha256 == content_sha256(sample.rows) != source.sha256


def test_sample_of_everything_is_the_source_itself():
    source = make_source(5)
    assert source.sample(5, seed=0) is source
    assert source.sample(500, seed=0) is source


def test_sample_of_nothing_is_refused():
    with pytest.raises(UserError, match="cannot sample 0 rows of numbers"):
        make_source(5).sample(0, seed=0)


def test_describe_says_only_what_applies():
    rows = [Row("p", "r"), Row("p", "r")]
    plain = Source.from_rows("mine", "local", rows[:1])
    assert plain.describe() == {"name": "mine", "origin": "local", "rows": 1, "sha256": plain.sha256}
    described = Source.from_rows("bundled:code", "bundled", rows, stand_in_for="commitpackft").describe()
    assert described["stand_in_for"] == "commitpackft"
    assert described["dropped"] == {"duplicates": 1, "empty_prompt": 0, "empty_response": 0}


def test_importing_the_package_loads_no_heavy_library():
    heavy = ("torch", "transformers", "datasets", "huggingface_hub", "pandas", "numpy", "jinja2")
    code = f"import sys, tradeoffbounds.sources; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
