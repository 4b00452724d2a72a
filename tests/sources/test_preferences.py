"""Preference pairs: the rows `load_source` gives, each with its rejected response; no test touches the network."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources import Row, content_sha256, hub, load_preferences, load_source
from tradeoffbounds.sources.columns import Record


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def pair(i, **columns):
    return {"prompt": f"question {i}", "chosen": f"good answer {i}", "rejected": f"poor answer {i}"} | columns


def binarized(i):
    """A row of the layout UltraFeedback Binarized has: text, then whole conversations, then marks."""
    asked, good, poor = f"question {i}", f"good answer {i}", f"poor answer {i}"
    return {
        "prompt": asked, "prompt_id": f"{i:08x}",
        "chosen": [user(asked), assistant(good)], "rejected": [user(asked), assistant(poor)],
        "messages": [user(asked), assistant(good)], "score_chosen": 8.5, "score_rejected": 4.0,
    }  # fmt: skip


def save(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def load(path, min_rows=1, **options):
    return load_preferences(path, role="capability", min_rows=min_rows, **options)


@pytest.fixture
def on_hub(monkeypatch):
    """Makes the hub hold rows, or be out of reach; returns the list of what was asked of it."""

    def hold(rows):
        asked = []

        def stream(name, **options):
            asked.append((name, options))
            if rows is None:
                raise hub.HubUnavailable("the hub cannot be reached")
            return [Record(f"hub, row {n}", row) for n, row in enumerate(rows[: options["max_rows"]], start=1)]

        monkeypatch.setattr(hub, "stream", stream)
        return asked

    return hold


# Rows


def test_the_source_is_that_of_load_source_and_every_row_has_its_rejected_response(tmp_path):
    rows = [pair(i) for i in range(30)] + [pair(3, rejected="worse"), pair(40, prompt=" "), pair(41, chosen=None)]
    path = save(tmp_path / "pairs.jsonl", rows)
    plain = load_source(path, role="capability")
    source, rejected = load_preferences(path, role="capability")
    assert (source.name, source.origin, source.rows, source.sha256) == (
        "pairs.jsonl",
        "local",
        plain.rows,
        plain.sha256,
    )
    assert source.dropped == plain.dropped | {"no_rejected": 0, "rejected_equals_chosen": 0}
    assert source.dropped["duplicates"] == source.dropped["empty_prompt"] == source.dropped["empty_response"] == 1
    # In the order of the rows, and of two rejected responses the first.
    assert list(rejected.items()) == [((f"question {i}", f"good answer {i}"), f"poor answer {i}") for i in range(30)]


def test_rows_of_a_sample_find_their_rejected_response(tmp_path):
    source, rejected = load(save(tmp_path / "pairs.jsonl", map(pair, range(30))))
    for row in source.sample(7, seed=1).rows:
        assert rejected[row.prompt, row.response] == row.prompt.replace("question", "poor answer")


def test_rows_without_a_preference_are_dropped_and_counted(tmp_path):
    rows = [pair(i) for i in range(9)]
    del rows[0]["rejected"]
    rows[1]["rejected"] = None
    rows[2]["rejected"] = " \n"
    rows[3]["rejected"] = []
    rows[4]["rejected"] = [user("question 4")]
    rows[5]["rejected"] = "good answer 5"
    rows[6]["rejected"] = "good  answer 6\n"
    source, rejected = load(save(tmp_path / "pairs.jsonl", rows))
    assert source.rows == (Row("question 7", "good answer 7"), Row("question 8", "good answer 8"))
    assert source.sha256 == content_sha256(source.rows)
    assert source.dropped == {
        "duplicates": 0, "empty_prompt": 0, "empty_response": 0, "no_rejected": 5, "rejected_equals_chosen": 2,
    }  # fmt: skip
    assert source.describe()["dropped"] == source.dropped
    assert list(rejected.values()) == ["poor answer 7", "poor answer 8"]


def test_a_tie_before_a_real_preference_does_not_lose_it(tmp_path):
    rows = [pair(0, rejected="good answer 0"), pair(0), pair(0, chosen="good   answer 0", rejected="other")]
    source, rejected = load(save(tmp_path / "pairs.jsonl", rows))
    assert rejected == {("question 0", "good answer 0"): "poor answer 0"}
    assert (source.dropped["rejected_equals_chosen"], source.dropped["duplicates"]) == (1, 1)


def test_one_prompt_may_have_several_chosen_responses(tmp_path):
    source, rejected = load(save(tmp_path / "pairs.jsonl", [pair(0), pair(0, chosen="fine", rejected="bad")]))
    assert len(source.rows) == 2
    assert rejected == {("question 0", "good answer 0"): "poor answer 0", ("question 0", "fine"): "bad"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (binarized(1), ("question 1", "good answer 1", "poor answer 1")),
        ({"prompt": [user("q")], "chosen": "c", "rejected": "r"}, ("q", "c", "r")),
        ({"prompt": [user("q")], "chosen": [assistant("c")], "rejected": [assistant("r")]}, ("q", "c", "r")),
        ({"prompt": "q", "chosen": "c", "rejected": [user("q"), assistant("r")]}, ("q", "c", "r")),
        ({"prompt": "q", "chosen": [user("q"), assistant("c")], "rejected": "r"}, ("q", "c", "r")),
        (
            {"prompt": [{"from": "human", "value": "q"}], "chosen": "c", "rejected": [{"from": "gpt", "value": "r"}]},
            ("q", "c", "r"),
        ),
        (
            # The last turn where the prompt is the conversation so far, the first where it is the first question.
            {
                "prompt": [user("a"), assistant("b"), user("q")],
                "chosen": [user("a"), assistant("b"), user("q"), assistant("c")],
                "rejected": [user("a"), assistant("b"), user("q"), assistant("r")],
            },
            ("q", "c", "r"),
        ),
        (
            {
                "prompt": "q",
                "chosen": [user("q"), assistant("c"), user("x"), assistant("y")],
                "rejected": [user("q"), assistant("r"), user("x"), assistant("z")],
            },
            ("q", "c", "r"),
        ),
        ({"prompt": "q", "response": "other", "chosen": "c", "rejected": "r"}, ("q", "c", "r")),
    ],
)
def test_layouts(tmp_path, row, expected):
    source, rejected = load(save(tmp_path / "pairs.jsonl", [row]))
    prompt, chosen, other = expected
    assert source.rows == (Row(prompt, chosen),)
    assert rejected == {(prompt, chosen): other}


def test_parquet_keeps_both_conversations(tmp_path):
    pq.write_table(pa.Table.from_pylist([binarized(i) for i in range(3)]), tmp_path / "pairs.parquet")
    _, rejected = load(tmp_path / "pairs.parquet")
    assert list(rejected.values()) == ["poor answer 0", "poor answer 1", "poor answer 2"]


# Where they come from


def test_a_registered_name_and_any_other_file_of_the_data_folder(tmp_path, on_hub):
    asked = on_hub(None)
    save(tmp_path / "ultrafeedback-binarized.jsonl", map(binarized, range(25)))
    save(tmp_path / "mine.jsonl", map(pair, range(25)))
    for name in ("ultrafeedback-binarized", "mine"):
        source, rejected = load_preferences(name, role="capability", data_dir=tmp_path)
        assert (source.name, source.origin, len(rejected)) == (name, "local", 25)
        assert source.sha256 == load_source(name, role="capability", data_dir=tmp_path).sha256
    assert not asked


def test_the_hub_by_name_and_by_id(on_hub):
    asked = on_hub([binarized(i) for i in range(40)])
    for spec in ("ultrafeedback-binarized", "HuggingFaceH4/ultrafeedback_binarized"):
        source, rejected = load_preferences(spec, role="capability", max_rows=30)
        assert (source.name, source.origin, len(source.rows), len(rejected)) == (spec, "hub", 30, 30)
        assert source.sha256 == load_source(spec, role="capability", max_rows=30).sha256
    assert {(name, options["split"]) for name, options in asked} == {
        ("HuggingFaceH4/ultrafeedback_binarized", "train_prefs")
    }


def test_the_hub_may_be_ruled_out(on_hub):
    asked = on_hub([binarized(i) for i in range(40)])
    with pytest.raises(UserError, match="hub data set owner/pairs: the hub is not allowed"):
        load("owner/pairs", allow_hub=False)
    assert not asked


# What has no pairs


@pytest.mark.parametrize("columns", [("prompt", "chosen"), ("prompt", "response"), ("chosen", "rejected")])
def test_a_data_set_without_pairs_is_named_with_its_columns(tmp_path, columns):
    path = save(tmp_path / "mine.jsonl", [{column: f"{column} {i}" for column in columns} for i in range(30)])
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(caught.value) == (
        f"capability source: {path}: no preference pairs; columns found: {', '.join(columns)}; "
        "expected: prompt, chosen, rejected; without rejected responses use --objective sft"
    )


def test_a_registered_data_set_of_responses_alone(on_hub):
    on_hub([{"question": f"q {i}", "answer": f"a {i}"} for i in range(30)])
    with pytest.raises(UserError, match=r"hub data set gsm8k: no preference pairs; columns found: question, answer;"):
        load("gsm8k")


def test_a_stand_in_has_none(on_hub):
    on_hub(None)
    message = (
        r"^capability source: ultrafeedback-binarized is neither .*stand-in bundled:proxy-rich has no rejected "
        r"responses; .*--data-dir.*--objective sft$"
    )
    with pytest.raises(UserError, match=message):
        load("ultrafeedback-binarized")
    with pytest.raises(UserError, match=r"not to be had: .* the hub cannot be reached; stand-ins are not allowed"):
        load("ultrafeedback-binarized", allow_stand_in=False)
    with pytest.raises(UserError, match="bundled:code: no preference pairs; columns found: prompt, response;"):
        load("bundled:code")


# Wrong calls


def test_too_few_pairs_names_the_counts(tmp_path):
    path = save(tmp_path / "mine.jsonl", [pair(i) for i in range(19)] + [pair(19, rejected="")])
    message = (
        r"^proxy source: mine.jsonl has 19 usable rows \(dropped: .*, 1 no rejected, 0 rejected equals chosen\); at"
    )
    with pytest.raises(UserError, match=message):
        load_preferences(path, role="proxy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rejected": 7}, r"pairs.jsonl:2: 'rejected' must be text; got int 7"),
        ({"rejected": ["no"]}, r"pairs.jsonl:2: a message of 'rejected' must have role and content"),
        ({"chosen": 7}, r"pairs.jsonl:2: 'chosen' must be text; got int 7"),
    ],
)
def test_wrong_values_are_named(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        load(save(tmp_path / "pairs.jsonl", [pair(0), pair(1, **change)]))


def test_an_unknown_role_and_an_evaluation_set_are_refused():
    with pytest.raises(UserError, match="unknown role 'safety'"):
        load_preferences("alpaca", role="safety")
    with pytest.raises(UserError, match="belongs to `python -m tradeoffbounds"):
        load("hex-phi")
