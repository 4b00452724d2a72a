"""Splits that share no prompt, and rows that are found again by their content."""

import dataclasses
import json

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.material import Material, split_rows
from tradeoffbounds.finetune.rows import Pair, Text
from tradeoffbounds.sources import Row, Source, content_sha256

from .lessons import pairs, texts


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rows"


@pytest.fixture
def source():
    """Thirty rows of twenty prompts: half of the prompts have two responses each, and blanks of their own."""
    rows = [Row(f"prompt {i}", f"answer {i}") for i in range(20)]
    rows += [Row(f"prompt   {i}\n", f"another answer {i}") for i in range(0, 20, 2)]
    return Source("facts", "local", tuple(rows), content_sha256(rows), {"duplicates": 3}, "facts-large")


def prompts(part):
    return {" ".join(row.prompt.split()) for row in part.rows}


# Splits


@pytest.mark.parametrize("sizes", [(5, 4, 100), (1, 1, 1), (8, 0, 6), (30,)])
def test_parts_have_the_sizes_asked_for_and_no_prompt_in_common(source, sizes):
    parts = split_rows(source, sizes, seed=0)
    assert len(parts) == len(sizes)
    for part, size in zip(parts, sizes, strict=True):
        assert len(part.rows) <= size and set(part.rows) <= set(source.rows)
        assert len(set(part.rows)) == len(part.rows)
        assert len(part.rows) == size or size > 20
    together = [prompt for part in parts for prompt in prompts(part)]
    assert len(together) == len(set(together))


def test_a_part_that_wants_more_than_is_left_has_all_of_it(source):
    first, rest = split_rows(source, (5, 1000), seed=1)
    assert prompts(first) | prompts(rest) == prompts(source)
    assert {row for row in source.rows if " ".join(row.prompt.split()) not in prompts(first)} == set(rest.rows)


def test_parts_know_where_they_are_from(source):
    for part in split_rows(source, (5, 6), seed=0):
        assert (part.name, part.origin, part.stand_in_for) == ("facts", "local", "facts-large")
        assert part.sha256 == content_sha256(part.rows) and not part.dropped


def test_the_seed_decides(source):
    first, again, other = (split_rows(source, (6, 6), seed=seed) for seed in (3, 3, 4))
    assert first == again and [part.rows for part in first] != [part.rows for part in other]
    assert first[0].rows != source.rows[:6]  # an order of its own


def test_what_is_measured_on_does_not_depend_on_how_much_is_trained_on(source):
    small, large = (split_rows(source, (5, 4, train), seed=2) for train in (3, 12))
    assert small[:2] == large[:2]


def test_too_few_rows_for_all_parts_are_refused(source):
    with pytest.raises(UserError, match=r"facts: 30 rows of 20 prompts are too few for parts of 28, 20, 1; ask for"):
        split_rows(source, (28, 20, 1), seed=0)


# Rows by their content


def material(**changes):
    rows = texts(9, seed=6)
    given = Material("facts", tuple(rows[:5]), tuple(rows[5:7]), tuple(rows[7:]))
    return dataclasses.replace(given, **changes)


FULL = {
    "author": ((1, 2, 3), (4,)),
    "pairs": tuple(pairs(3, seed=8)),
    "validation_pairs": (Pair((1,), (2, 0), (3,)),),
}


@pytest.mark.parametrize("changes", [{}, FULL, {"validation": ()}, {"name": "Größe"}])
def test_what_is_stored_is_loaded(changes):
    given = material(**changes)
    assert Material.load(given.store()) == given


def test_equal_content_has_one_address_and_one_file(cache):
    address = material(**FULL).store()
    assert material(**FULL).store() == address and len(address) == 16
    assert [file.name for file in cache.iterdir()] == [f"{address}.json"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "others"},
        {"train": (Text((1,), (2,)),)},
        {"validation": ()},
        {"test": (Text((1,), (2,)), Text((1,), (3,)))},
        {"author": ((1,), (2,))},
        {"pairs": tuple(pairs(1, seed=0))},
        {"validation_pairs": tuple(pairs(1, seed=0))},
    ],
)
def test_any_change_has_another_address(changes):
    assert material(**changes).store() != material().store()


def test_a_stored_file_is_not_written_again(cache):
    address = material().store()
    path = cache / f"{address}.json"
    before = path.stat().st_mtime_ns
    path.write_text(json.dumps(json.loads(path.read_text())))
    after = path.stat().st_mtime_ns
    material().store()
    assert before != after == path.stat().st_mtime_ns


def test_rows_that_are_not_there_are_missed_in_one_line():
    with pytest.raises(UserError, match=r"rows 0123456789abcdef are not in .*rows; workers must share TRADEOFFBOUNDS_"):
        Material.load("0123456789abcdef")


@pytest.mark.parametrize("spoilt", ["{", '{"name": "other"}', "[]"])
def test_stored_rows_that_are_damaged_are_refused(cache, spoilt):
    address = material().store()
    (cache / f"{address}.json").write_text(spoilt)
    with pytest.raises(UserError, match=rf"{address}\.json: is damaged: "):
        Material.load(address)
