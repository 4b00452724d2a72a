"""Wrong calls end in one clear line and exit code 2, before any weight is read and anything is trained."""

from __future__ import annotations

import dataclasses
import re
import shutil

import pytest
from transformers import GPT2Config

import tradeoffbounds
from tradeoffbounds import UserError, ValidateConfig
from tradeoffbounds.validate import main

from ..estimate.records import CODE, write_rows
from ..tiny_models import chat_tokenizer
from .conftest import TEACHER

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")


@pytest.fixture
def no_weights(monkeypatch):
    def refuse(*_):
        raise AssertionError("weights were loaded")

    for where in ("models.load", "overlap.features", "finetune.train", "finetune.perform"):
        monkeypatch.setattr(f"tradeoffbounds.{where}.load_model", refuse)


@pytest.fixture
def refused(options, no_weights, tmp_path, capfd):
    """Call with something wrong; the one line that is said."""

    def call(*flags, **changed):
        capfd.readouterr()
        assert main([*options(tmp_path / "out", **changed), *flags]) == 2
        said = capfd.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ") and said.err.endswith("\n")
        assert said.err.count("\n") == 1, said.err
        assert not (tmp_path / "out" / "validate.json").exists() and not (tmp_path / "out" / "runs").exists()
        return said.err

    return call


# Options


@pytest.mark.parametrize("penalty", ["0", "-1", "nan", "inf"])
def test_a_penalty_that_is_no_positive_number_is_refused(refused, penalty):
    assert f"--penalty must be finite and > 0, got {penalty}" in refused(penalty=(1, penalty))


@pytest.mark.parametrize("radius", ["-0.1", "nan", "inf"])
def test_a_radius_below_zero_is_refused(refused, radius):
    assert f"--radius must be finite and >= 0, got {radius}" in refused(radius=(1, radius))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": 0}, "--steps must be at least 1, got 0"),
        ({"processes": 0}, "--processes must be at least 1"),
        ({"rows": 9}, "--rows must be at least 10, got 9"),
        ({"test_rows": 1}, "--test-rows must be at least 2, got 1"),
        ({"max_tokens": 8}, "--max-tokens must be at least 16"),
        ({"confidence": 1.0}, r"--confidence must be in \[0.5, 1\), got 1"),
        ({"learning_rate": 0.0}, "--learning-rate must be finite and > 0, got 0"),
        ({"learning_rate": "nan"}, "--learning-rate must be finite and > 0, got nan"),
        ({"beta": -0.1}, "--beta must be finite and > 0, got -0.1"),
        ({"seeds": (0, -1)}, "--seeds must be between 0 and .*, got -1"),
        ({"seed": -1}, "--seed must be between 0 and .*, got -1"),
        ({"address": "auto"}, "--address auto is that of a Ray cluster; give --engine ray with it"),
        ({"proxy": ("a=safety", "a=code")}, "--proxy: two sources are named a; give each a name of its own"),
    ],
)
def test_any_other_option_out_of_range_is_refused(refused, changed, said):
    assert re.search(said, refused(**changed))


@pytest.mark.parametrize("role", ["alignment", "proxy", "capability"])
def test_a_model_mixed_with_data_is_refused(refused, role):
    assert "either every source is a system: source or none is" in refused(**{role: "system:You are kind."})
    assert "either every source is a system: source or none is" in refused(**TEACHER | {role: "kind=safety"})


def test_from_python_unknown_words_are_refused_as_the_command_line_refuses_them():
    with pytest.raises(UserError, match=r"--peft knows lora, .*, full; got lorra"):
        ValidateConfig(peft=("lora", "lorra"))
    with pytest.raises(UserError, match="--objective knows sft, dpo; got ppo"):
        ValidateConfig(objective=("ppo",))
    with pytest.raises(UserError, match="--capability needs at least one value"):
        ValidateConfig(capability=())


def test_from_python_a_wrong_call_raises(tmp_path, tiny_folder, no_weights):
    with pytest.raises(UserError, match="unknown data set 'alpacca'"):
        tradeoffbounds.validate(ValidateConfig(model=str(tiny_folder), proxy=("alpacca",), out=tmp_path))


def test_a_misspelt_option_ends_with_exit_code_2(options, no_weights, tmp_path, capfd):
    with pytest.raises(SystemExit) as ended:
        main([*options(tmp_path / "out"), "--penalti", "1"])
    assert ended.value.code == 2
    said = capfd.readouterr()
    assert "--penalti" in said.err and "Traceback" not in said.err and said.out == ""
    assert not (tmp_path / "out").exists()


def test_help_mentions_every_option(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capfd.readouterr()
    for field in dataclasses.fields(ValidateConfig):
        assert f"--{field.name.replace('_', '-')}" in said.out
    assert "--no-stand-in" in said.out and "Examples:" in said.out and said.err == ""


# Sources


@pytest.mark.parametrize("role", ["alignment", "proxy", "capability"])
def test_an_unknown_name_gets_near_ones(refused, role):
    said = refused(**{role: "alpacca"})
    assert re.search(role + r" source: unknown data set 'alpacca'; did you mean alpaca.*\?", said)


def test_of_a_named_source_what_is_loaded_is_looked_for(refused):
    assert "capability source: unknown data set 'cod'" in refused(capability="mine=cod")


def test_without_stand_ins_and_hub_there_are_no_data(refused):
    said = refused("--no-stand-in", alignment="orca", data_dir=None)
    assert "alignment source: orca is not to be had: no data folder was given; offline mode (HF_HUB_OFFLINE)" in said


def test_dpo_on_answers_that_no_rejected_ones_go_with_is_refused(refused, data):
    said = refused(objective=("sft", "dpo"))
    assert "capability source: " in said and str(data / "code.jsonl") in said and "rejected" in said


def test_dpo_on_a_stand_in_is_refused(refused):
    said = refused(objective="dpo", data_dir=None, alignment="orca", proxy="alpaca", capability="gsm8k")
    assert "capability source: gsm8k is neither in a data folder nor on a reachable hub" in said
    assert "has no rejected responses; give a data set with columns prompt, chosen, rejected" in said


def test_a_source_whose_rows_are_used_up_by_measuring_is_refused(refused, tmp_path):
    write_rows(tmp_path / "few.jsonl", CODE, 5, n=25)
    said = refused(capability=tmp_path / "few.jsonl")  # 10 to test on, 6 to validate
    assert "few.jsonl: of 25 rows 9 are left to train on, at least 10 are needed; ask for fewer --test-rows" in said
    said = refused(capability=tmp_path / "few.jsonl", test_rows=20)
    assert "25 rows of 25 prompts are too few for parts of 20, 6, 24; ask for fewer" in said
    assert "few.jsonl: of 25 rows 9 are left" in refused(**TEACHER | {"teacher_prompts": tmp_path / "few.jsonl"})


# The sweep's file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "holds nothing; expected options, each with a value or a list of values"),
        ("penalty: [0.1, ", "not YAML"),
        ("- penalty", "expected options, each with a value or a list of values, got 'penalty'"),
        ("penalti: 1", "unknown option 'penalti'; expected one of proxy, capability, peft"),
        ("rows: 30", "unknown option 'rows'"),
        ("{penalty: 1, proxy: []}", "option 'proxy' has an empty list"),
        ("penalty: 0", "--penalty must be finite and > 0, got 0"),
        ("radius: -1", "--radius must be finite and >= 0, got -1"),
        ("penalty: high", "option 'penalty' has 'high'; expected a number or null"),
        ("penalty: yes", "option 'penalty' has True; expected a number or null"),
        ("steps: 2.5", "option 'steps' has 2.5; expected a whole number"),
        ("steps: 0", "--steps must be at least 1, got 0"),
        ("seeds: null", "option 'seeds' has None; expected a whole number"),
        ("learning_rate: 0", "--learning-rate must be finite and > 0, got 0"),
        ("proxy: 7", "option 'proxy' has 7; expected text"),
        ("[{peft: lora}, {peft: lorra}]", "--peft knows lora, ia3, prompt-tuning, p-tuning, full; got lorra"),
        ("objective: ppo", "--objective knows sft, dpo; got ppo"),
        ("proxy: system:kind", "either every source is a system: source or none is"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_by_the_name_of_its_file(refused, tmp_path, text, said):
    path = tmp_path / "grid.yaml"
    if text is not None:
        path.write_text(text)
    answer = refused(sweep=path)
    assert answer.startswith(f"error: {path}") and said in answer


def test_a_source_of_a_sweep_that_is_not_there_is_refused(refused, tmp_path):
    (tmp_path / "grid.yaml").write_text("proxy: [other-safety, alpacca]")
    assert "proxy source: unknown data set 'alpacca'" in refused(sweep=tmp_path / "grid.yaml")


# Model and machine


def test_an_output_folder_that_cannot_be_written_to_is_refused(refused, tmp_path):
    (tmp_path / "file").touch()
    assert f"cannot write results to {tmp_path / 'file' / 'x'}" in refused("--out", str(tmp_path / "file" / "x"))


def test_a_model_that_is_nowhere_is_refused(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert f"--model {tmp_path / 'empty'}: no config.json there" in refused(model=tmp_path / "empty")
    assert "--model nobody/nothing: " in refused(model="nobody/nothing")


def test_a_model_without_a_chat_template_is_refused(refused, tiny_folder, tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(tiny_folder, folder, ignore=shutil.ignore_patterns("chat_template*", "tokenizer*"))
    chat_tokenizer(None, eos_token="<|im_end|>").save_pretrained(folder)
    assert f"model {folder} has no chat template; use an instruct model" in refused(model=folder)


def test_case_two_of_a_model_that_it_does_not_know_is_refused_before_the_start_is_trained(refused, tmp_path):
    folder = tmp_path / "gpt2"
    GPT2Config(architectures=["GPT2LMHeadModel"]).save_pretrained(folder)
    chat_tokenizer(eos_token="<|im_end|>").save_pretrained(folder)
    said = refused(model=folder, radius=0.1, curvature="auto")
    assert "GPT2LMHeadModel" in said or "gpt2" in said


def test_cuda_where_there_is_none_is_refused(refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--device cuda: torch sees no CUDA device here" in refused(device="cuda")


def test_more_processes_than_devices_are_refused(refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert "--processes 2: torch sees 1 CUDA devices here; give at most as many" in refused(device="cuda", processes=2)
