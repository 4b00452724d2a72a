"""Records that are read again, tampered with: runs, sweeps, kept answers, and what pages are made of."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradeoffbounds.comparison.stored import stored_run
from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.bbq_answer import _sound
from tradeoffbounds.harm.generation import SCHEMA, AnswerFile, answered
from tradeoffbounds.runs import content_hash, read_json, write_json

from ..report import audit_record, records, validate_records
from .trial import IS_LONG, Refused, at_door, inputs, outcome, untouched
from .values import TEXT, dumped, nested, spoilt

RUN = {
    "config": {"start": "tiny", "rows": "a"}, "environment": {}, "history": [{"step": 1, "loss": 2.5}],
    "losses": {"a": [1.0, 2.0]}, "kls": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


@st.composite
def changed(draw, record):
    """The record with a value somewhere in it replaced, left out, or put in."""
    record = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(1, 2))):
        place = record
        while isinstance(place, dict | list) and place:
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(list(keys)))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.integers(0, 3)) == 0:
                if draw(st.booleans()) or isinstance(place, list):
                    place[key] = draw(nested(TEXT))
                else:
                    del place[key]
                break
            place = place[key]
    return record


# Runs of a sweep


@inputs(0.4)
@given(changed(RUN) | nested(TEXT))
@example(RUN)
def test_a_changed_run_is_read_as_it_stands_or_refused(folder, record):
    (folder / "run.json").write_text(dumped(record), "utf-8")
    found = outcome("JSON records", lambda: stored_run(folder))
    if isinstance(found, Refused):
        assert record != RUN
        return
    assert json.dumps(found) == json.dumps(json.loads(dumped(record)))
    assert all(math.isfinite(each) for rows in (*found["losses"].values(), *found["kls"].values()) for each in rows)


@inputs(0.2)
@given(st.data())
def test_a_spoilt_run_is_read_or_refused(folder, data):
    content = data.draw(spoilt(dumped(RUN).encode()))
    (folder / "run.json").write_bytes(content)
    found = outcome("JSON records", lambda: stored_run(folder))
    assert isinstance(found, Refused) or found == json.loads(content)
    assert (folder / "run.json").read_bytes() == content


# Kept answers


@inputs(0.3)
@given(st.data())
@example(None)
def test_spoilt_answers_are_asked_again_or_refused_never_made_up(folder, data):
    ids, settings = ["a", "b", "c"], {"what": "test"}
    asked = []

    def ask(batch):
        asked.extend(ids[i] for i in batch)
        return [(i, [float(i), 0.0, 0.5]) for i in batch]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEOFFBOUNDS_CACHE", str(folder))
        path = folder / "kept" / f"{content_hash(settings)[:32]}.jsonl"
        path.parent.mkdir(exist_ok=True)
        lines = [
            {"schema": SCHEMA, "settings": settings},
            *({"id": id, "answer": [float(i), 0.0, 0.5]} for i, id in enumerate(ids)),
        ]
        whole = "".join(dumped(line) + "\n" for line in lines).encode()
        if data is None:
            content = whole + b'{"id": [], "answer": null}\n'
        elif data.draw(st.booleans()):
            content = data.draw(spoilt(whole))
        else:
            lines[data.draw(st.integers(0, 3))] = data.draw(changed(lines[1]) | nested(TEXT))
            content = "".join(dumped(line) + "\n" for line in lines).encode()
        path.write_bytes(content)
        found = outcome(
            "JSON records", lambda: answered("kept", settings, ids, [1, 1, 1], ask, _sound, lambda text: None, None)
        )
    if isinstance(found, Refused):
        assert path.read_bytes() == content or content.startswith(path.read_bytes())
        return
    for i, scores in enumerate(found):
        # What is no longer there was asked again; what is there is an answer in form.
        assert scores is None or (len(scores) == 3 and all(map(math.isfinite, scores)))
        assert ids[i] not in asked or scores == [float(i), 0.0, 0.5]


# Pages, and sweeps that are studied


def page_records():
    return [
        records.record_at(0.5, 1.0),
        validate_records.record(*validate_records.penalty_runs()),
        audit_record.record(),
    ]


@inputs(0.1 if IS_LONG else 0.06)
@given(st.data())
def test_a_page_of_a_changed_record_is_made_or_refused(folder, data):
    command = pytest.importorskip("tradeoffbounds.page.__main__")
    which = data.draw(st.integers(0, 2))
    record = {"schema": f"tradeoffbounds/{['estimate', 'validate', 'audit'][which]}/1"} | page_records()[which]
    path, page = folder / "record.json", folder / "report.html"
    if data.draw(st.booleans()):
        path.write_text(dumped(data.draw(changed(record))), "utf-8")
    else:
        path.write_bytes(data.draw(spoilt(dumped(record).encode())))
    page.unlink(missing_ok=True)
    code = at_door("JSON records", command.main, [str(path)])
    assert code in (0, 2)
    assert page.exists() == (code == 0)
    assert sorted(each.name for each in folder.glob("*.html")) == ([page.name] if code == 0 else [])


@inputs(0.04)
@given(st.data())
def test_a_sweep_folder_that_was_changed_is_studied_or_refused(folder, data):
    tuned_runs = pytest.importorskip("tradeoffbounds.comparison.tuned_runs")
    sweep = folder / "sweep"
    record = validate_records.record(*validate_records.penalty_runs())
    record["config"] = {"model": "tiny", "system_prompt": ""} | record.get("config", {})
    (sweep / "runs").mkdir(parents=True, exist_ok=True)
    for run in record["runs"]:
        adapter = sweep / "runs" / run["id"] / "adapter"
        adapter.mkdir(parents=True, exist_ok=True)
        (adapter / "adapter_config.json").touch()
        (adapter.parent / "run.json").write_text(dumped(data.draw(st.just(RUN) | changed(RUN))))
    (sweep / "validate.json").write_text(dumped(data.draw(st.just(record) | changed(record))), "utf-8")
    with untouched(sweep):
        found = outcome("JSON records", lambda: tuned_runs.read_sweep_folder(sweep), one_line=False)
    assert isinstance(found, Refused) or len(found) == 2


# Minimal inputs of what was found


@pytest.mark.parametrize("line", [b'{"id": [], "answer": null}', b"[" * 100_000, b"9" * 5000])
def test_minimal_bad_answers(tmp_path, line):
    path = tmp_path / "a.jsonl"
    AnswerFile(path, {}, pytest.fail).close()
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=r"a.jsonl:2: this line is damaged"):
        AnswerFile(path, {}, pytest.fail)


@pytest.mark.parametrize("scores", [[1.0], [1.0, 2.0, "3"], [1.0, 2.0, math.nan], "abc", 0])
def test_an_answer_that_is_none_is_not_taken_for_one(tmp_path, scores, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path))
    path = tmp_path / "kept" / f"{content_hash({})[:32]}.jsonl"
    path.parent.mkdir()
    path.write_text(
        json.dumps({"schema": SCHEMA, "settings": {}}) + "\n" + json.dumps({"id": "a", "answer": scores}) + "\n"
    )
    with pytest.raises(UserError, match="the answer to a is damaged; remove its line"):
        answered("kept", {}, ["a"], [1], pytest.fail, _sound, pytest.fail, None)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_minimal_bad_records(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run.json: is damaged"):
        stored_run(tmp_path)


def test_a_loss_beyond_all_floats_is_damage(tmp_path):
    (tmp_path / "run.json").write_text(dumped(RUN | {"losses": {"a": [10**400]}}))
    with pytest.raises(UserError, match=r"run.json: is damaged in 'losses'"):
        stored_run(tmp_path)


def test_a_path_that_is_not_utf8_is_written_down_and_read_again(tmp_path):
    record = {"out": "runs/\udcff", "λ": 1}
    write_json(tmp_path / "record.json", record)
    assert read_json(tmp_path / "record.json") == record
    assert content_hash(record) != content_hash({"out": "runs/?", "λ": 1})
