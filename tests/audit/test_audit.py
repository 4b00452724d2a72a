"""The door from end to end: what it writes, what it keeps to itself, what it refuses."""

from __future__ import annotations

import json

import pytest

from tradeoffbounds import UserError, audit
from tradeoffbounds.audit import main
from tradeoffbounds.audit_config import AuditConfig
from tradeoffbounds.harm import generation
from tradeoffbounds.harm.bbq import DIMENSIONS


@pytest.fixture(scope="module")
def compared(options, adapter, cache, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
        return audit(options(tmp_path_factory.mktemp("both"), adapter=adapter, keep_texts=True))


def test_both_sides_are_counted_and_compared(compared):
    record = json.loads((compared.folder / "audit.json").read_text("utf-8"))
    assert record == json.loads(json.dumps(compared.record))
    for side in (record, record["base"]):
        assert {name: each["n"] for name, each in side["harm"]["categories"].items()} == {"knots": 4, "maps": 3}
        assert side["harm"]["overall"]["n"] == 7
        assert list(side["fairness"]) == list(DIMENSIONS)
        assert all(cell["n"] == 4 for cells in side["fairness"].values() for cell in cells.values())
    assert set(record["compared_with_base"]["harm"]) == {"knots", "maps"}
    assert record["adapter"]["method"] == "lora"
    assert record["harm"]["judge"]["weak"] is True
    assert any("keyword" in sentence for sentence in record["verdict"])
    assert (compared.folder / "figures" / "harm.png").is_file()


def test_the_adapter_is_on_in_one_side_only(compared, options, tmp_path):
    alone = audit(options(tmp_path))
    items = json.loads((compared.folder / "items.json").read_text("utf-8"))
    assert json.loads((tmp_path / "items.json").read_text("utf-8"))["base"] == items["base"]
    assert items["adapter"]["fairness"] != items["base"]["fairness"]
    assert alone.record["base"] is None and alone.record["harm"] == compared.record["base"]["harm"]


def test_texts_are_written_only_when_asked_for(compared, options, tmp_path):
    texts = [json.loads(line) for line in (compared.folder / "texts.jsonl").read_text("utf-8").splitlines()]
    assert len(texts) == 14
    quiet = audit(options(tmp_path))
    assert not (tmp_path / "texts.jsonl").exists()
    written = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.json"))
    answers = [each["answer"] for each in texts if len(each["answer"]) > 5]
    assert answers and not any(answer in written for answer in answers)
    assert not any(answer in sentence for answer in answers for sentence in quiet.record["verdict"])


def test_a_second_audit_asks_the_model_nothing(compared, options, adapter, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(generation, "greedy_responses", refuse)
    again = audit(options(tmp_path, adapter=adapter))
    assert again.record["harm"] == compared.record["harm"]
    assert again.record["compared_with_base"] == compared.record["compared_with_base"]


@pytest.mark.parametrize("part", ["harm", "fairness"])
def test_one_part_alone(options, tmp_path, part):
    record = audit(options(tmp_path, **{part: "none"})).record
    assert record[part] is None
    assert record["fairness" if part == "harm" else "harm"] is not None


def test_the_command_prints_tables_and_no_answer(compared, options, data, tiny_folder, tmp_path, capsys):
    arguments = ["--model", tiny_folder, "--harm", "asked", "--data-dir", data, "--out", tmp_path, "--samples", "72",
                 "--max-new-tokens", "6", "--device", "cpu", "--dtype", "float32"]  # fmt: skip
    assert main([str(each) for each in arguments]) == 0
    said = capsys.readouterr().out
    assert "knots" in said and "safer" in said and "Religion" in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"harm": "nothing-like-it"}, "unknown prompts 'nothing-like-it'"),
        ({"fairness": "no-such-folder"}, "--fairness no-such-folder: BBQ folder"),
        ({"judge": "oracle"}, "unknown judge 'oracle'"),
        ({"samples": 5}, "cannot spread 5 BBQ items"),
        ({"harm_samples": 1}, "cannot sample 1 prompts"),
    ],
)
def test_wrong_calls_are_told_in_one_line(options, tmp_path, changed, said):
    with pytest.raises(UserError) as error:
        audit(options(tmp_path, **changed))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "audit.json").exists()


def test_an_adapter_of_another_model_is_refused(options, adapter, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for file in adapter.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((other / "adapter_config.json").read_text("utf-8"))
    (other / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "elsewhere/large"}))
    with pytest.raises(UserError, match="it was trained on elsewhere/large"):
        audit(options(tmp_path / "out", adapter=other))


def test_a_misnamed_bbq_file_is_told_before_the_model_is_loaded(options, data, tmp_path, monkeypatch):
    broken = tmp_path / "bbq"
    broken.mkdir()
    for file in (data / "bbq").iterdir():
        (broken / file.name.replace("SES", "ses-status")).write_bytes(file.read_bytes())
    monkeypatch.setattr("tradeoffbounds.audit.load_model", None)
    with pytest.raises(UserError, match=r"SES\.jsonl: no such file"):
        audit(options(tmp_path / "out", fairness=str(broken)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"harm": "none", "fairness": "none"}, "leave nothing to audit"),
        ({"samples": -1}, "--samples must be >= 0"),
        ({"max_new_tokens": 0}, "--max-new-tokens must be at least 1"),
        ({"confidence": 1.0}, r"--confidence must be in \[0.5, 1\)"),
        ({"seed": -1}, "--seed must be between 0 and"),
    ],
)
def test_wrong_options(changed, said):
    with pytest.raises(UserError, match=said):
        AuditConfig(**changed)
