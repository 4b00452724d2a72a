"""BBQ's files, HEx-PHI's folder and lists of prompts of any content: every item of them, or one line."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradeoffbounds.audit import main as audit_main
from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.bbq import load_bbq
from tradeoffbounds.harm.prompts import HEX_PHI_CATEGORIES, load_harm_set

from .trial import Reached, Refused, at_door, inputs, outcome, untouched
from .values import TEXT, dumped, nested, spoilt

ROW = {
    "example_id": 0, "question_index": "1", "question_polarity": "neg", "context_condition": "ambig", "category": "Age",
    "answer_info": {"ans0": ["the grandson", "nonOld"], "ans1": ["Not known", "unknown"], "ans2": ["the grandfather",
    "old"]},
    "additional_metadata": {"stereotyped_groups": ["old"]}, "context": "Two people sat down.",
    "question": "Who forgot?",
    "ans0": "The grandson", "ans1": "Not known", "ans2": "The grandfather", "label": 1,
}  # fmt: skip
KEYS = st.sampled_from(sorted(ROW))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bbq")


@pytest.fixture(scope="module")
def hex_phi(tmp_path_factory):
    return tmp_path_factory.mktemp("hexphi")


@inputs(0.25)
@given(
    st.dictionaries(
        KEYS,
        nested(KEYS) | st.integers(-1, 3) | st.sampled_from(["neg", "disambig", "1", "\u0661", "9" * 30]),
        max_size=2,
    )
)
@example({"context": "\ud800"})
@example({"ans0": " "})
@example({"question_index": "9" * 5000})
@example({})
def test_a_changed_item_is_read_as_it_stands_or_refused(folder, changes):
    record = ROW | changes
    (folder / "Age.jsonl").write_text(dumped(record) + "\n", "utf-8")
    found = outcome("prompt files", lambda: load_bbq(folder, ["Age"]))
    if isinstance(found, Refused):
        assert changes
        return
    (item,) = found
    assert (item.id, item.index, item.label) == (
        f"Age/{record['example_id']}",
        int(record["question_index"]),
        record["label"],
    )
    assert (item.context, *item.options) == tuple(record[key].strip() for key in ("context", "ans0", "ans1", "ans2"))
    assert (item.label == item.unknown) == (item.condition == "ambig")
    json.dumps([item.context, item.question, item.options], ensure_ascii=False).encode()


@inputs(0.25)
@given(st.data())
def test_a_spoilt_bbq_file_is_read_or_refused(folder, data):
    rows = [ROW | {"example_id": n} for n in range(3)]
    (folder / "Age.jsonl").write_bytes(data.draw(spoilt("".join(dumped(row) + "\n" for row in rows).encode())))
    found = outcome("prompt files", lambda: load_bbq(folder, ["Age"]))
    assert isinstance(found, Refused) or len({item.id for item in found}) == len(found) > 0


@inputs(0.25)
@given(st.data())
def test_a_hex_phi_folder_is_read_or_refused(hex_phi, data):
    for path in hex_phi.iterdir():
        path.unlink()
    for number in data.draw(st.sets(st.integers(0, 12), min_size=1, max_size=3)):
        lines = data.draw(st.lists(TEXT, max_size=3))
        content = "\n".join(lines).encode()
        name = data.draw(
            st.sampled_from([f"category_{number}.csv"] * 6 + [f"Category_{number}.csv", f"category_{number}.txt"])
        )
        (hex_phi / name).write_bytes(data.draw(spoilt(content)) if data.draw(st.booleans()) else content)
    with untouched(hex_phi):
        found = outcome("prompt files", lambda: load_harm_set(str(hex_phi), allow_hub=False))
    if not isinstance(found, Refused):
        assert found.prompts and set(found.categories) <= set(HEX_PHI_CATEGORIES.values()) - {HEX_PHI_CATEGORIES[2]}
        assert not set(found.categories) & set(found.not_supplied)
        assert all(each.prompt.strip() == each.prompt != "" for each in found.prompts)


@inputs(0.15)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["prompt", "goal", "category"]), TEXT | nested(TEXT), max_size=3), max_size=3
    )
)
def test_a_list_of_prompts_is_read_or_refused(hex_phi, rows):
    path = hex_phi.parent / "list.json"
    path.write_text(dumped(rows), "utf-8")
    found = outcome("prompt files", lambda: load_harm_set(path))
    if not isinstance(found, Refused):
        column = "prompt" if any("prompt" in row for row in rows) else "goal"
        assert {each.prompt for each in found.prompts} == {
            row[column].strip() for row in rows if (row.get(column) or "").strip()
        }


@inputs(0.1)
@given(st.data())
def test_the_door_tells_bad_prompts_in_one_line_and_writes_no_result(folder, tmp_path_factory, data):
    (folder / "Age.jsonl").write_bytes(data.draw(spoilt((dumped(ROW) + "\n").encode())))
    path, out = folder / "prompts.csv", tmp_path_factory.mktemp("out")
    path.write_bytes(data.draw(spoilt(b"prompt,category\r\nName a river.,Rivers\r\n")))
    wanted = data.draw(st.sampled_from([str(path), str(folder), "advbench", "hex-phi", "x" * 300, "none"]))

    def reached(*_):
        raise Reached

    with pytest.MonkeyPatch.context() as patch, untouched(folder):
        patch.setattr("tradeoffbounds.audit.place", reached)
        patch.setattr("tradeoffbounds.audit.check_model", lambda spec: None)
        at_door(
            "prompt files",
            audit_main,
            ["--harm", wanted, "--fairness", str(folder), "--harm-samples", "0", "--out", str(out)],
        )
    assert not any(out.iterdir())


# Minimal inputs of what was found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": "\ud800"}, "context holds half of a surrogate pair"),
        ({"ans0": " "}, "ans0 is blank"),
        ({"question_index": "9" * 5000}, "question_index is "),
        ({"question_index": "\u0661"}, "question_index is "),
        ({"question_index": True}, "question_index is True"),
    ],
)
def test_minimal_bad_items(tmp_path, changes, message):
    (tmp_path / "Age.jsonl").write_text(json.dumps(ROW | changes))
    with pytest.raises(UserError, match=message) as caught:
        load_bbq(tmp_path, ["Age"])
    assert str(caught.value).startswith(f"{tmp_path / 'Age.jsonl'}:1: ")


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name/x.csv", "x" * 300 + ".csv"])
def test_names_that_no_file_system_takes(name, tmp_path):
    with pytest.raises(UserError):
        load_harm_set(name)
    with pytest.raises(UserError):
        load_harm_set("advbench", data_dir="x" * 300)
    with pytest.raises(UserError):
        load_bbq("x" * 300)
