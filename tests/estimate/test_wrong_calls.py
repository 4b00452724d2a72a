"""Wrong calls end in one clear line and exit code 2 before any weight is read; interruptions leave no debris."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tradeoffbounds
from tradeoffbounds import EstimateConfig
from tradeoffbounds.estimate import main

from ..tiny_models import chat_tokenizer
from .records import (
    CODE,
    write_rows,
)

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")

# Wrong calls


@pytest.fixture
def no_weights(monkeypatch):
    def refuse(*_):
        raise AssertionError("weights were loaded")

    for user in ("overlap.features", "models.import_model"):
        monkeypatch.setattr(f"tradeoffbounds.{user}.load_model", refuse)


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
        assert not (tmp_path / "out" / "estimate.json").exists()
        return said.err

    return call


def test_an_unknown_name_gets_near_ones(refused):
    assert re.search(r"proxy source: unknown data set 'alpacca'; did you mean alpaca.*\?", refused(proxy="alpacca"))


def test_a_data_folder_without_the_file_is_named_with_what_it_has(refused, data):
    assert f"capability source: data folder {data} has no dolly (dolly.jsonl, " in refused(capability="dolly")


def test_a_data_folder_that_is_not_there_is_named(refused, tmp_path):
    assert f"data folder {tmp_path / 'gone'}: no such folder" in refused(data_dir=tmp_path / "gone")


def test_a_malformed_line_is_named_by_file_and_number(refused, tmp_path, data):
    path = tmp_path / "broken.jsonl"
    lines = (data / "code.jsonl").read_text().splitlines()
    path.write_text("\n".join([*lines[:6], '{"prompt": "half', *lines[6:]]))
    assert f"capability source: {path}:7: not valid JSON" in refused(capability=path)


def test_a_missing_column_is_named_with_those_found_and_accepted(refused, tmp_path):
    path = tmp_path / "columns.jsonl"
    path.write_text('{"text": "a", "label": 1}\n' * 30)
    assert f"{path}: no prompt and response columns; found: text, label; accepted: " in refused(capability=path)


def test_too_few_rows_are_counted_with_what_was_dropped(refused, tmp_path):
    path = tmp_path / "few.jsonl"
    write_rows(path, CODE, 0, n=19)
    path.write_text(path.read_text() * 2 + '{"prompt": "a", "response": ""}\n')
    said = refused(capability=path)
    assert "few.jsonl has 19 usable rows (dropped: 19 duplicates, 0 empty prompt, 1 empty response)" in said
    assert "at least 20 are needed" in said


@pytest.mark.parametrize("penalty", ["0", "-1", "nan", "inf"])
def test_a_penalty_that_is_no_positive_number_is_refused(refused, penalty):
    assert f"--penalty must be finite and > 0, got {penalty}" in refused(penalty=(1, penalty))


def test_any_other_option_out_of_range_is_refused_in_one_line_too(refused):
    assert "--samples must be at least 20, got 3" in refused(samples=3)
    assert "--seed must be between 0 and" in refused(seed=-5)


def test_a_model_mixed_with_data_is_refused(refused):
    assert "system: sources or none is" in refused(proxy="system:You are kind.")


def test_an_output_folder_that_cannot_be_written_to_is_refused(refused, tmp_path):
    (tmp_path / "file").touch()
    assert f"cannot write results to {tmp_path / 'file' / 'x'}" in refused("--out", str(tmp_path / "file" / "x"))


def test_without_stand_ins_and_hub_there_are_no_data(refused):
    said = refused("--no-stand-in", alignment="orca", data_dir=None)
    assert "alignment source: orca is not to be had: no data folder was given; offline mode (HF_HUB_OFFLINE)" in said


def test_a_model_folder_without_a_configuration_is_refused(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert f"--model {tmp_path / 'empty'}: no config.json there" in refused(model=tmp_path / "empty")


def test_a_model_that_is_nowhere_is_refused(refused):
    assert "--model nobody/nothing: " in refused(model="nobody/nothing")


def test_a_model_without_a_chat_template_is_refused(refused, tiny_folder, tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(tiny_folder, folder, ignore=shutil.ignore_patterns("chat_template*", "tokenizer*"))
    chat_tokenizer(None, eos_token="<|im_end|>").save_pretrained(folder)
    said = refused(model=folder)
    assert f"model {folder} has no chat template; use an instruct model" in said


def test_a_limit_that_cannot_hold_the_template_is_refused(refused):
    assert "max_tokens = 16 is too small" in refused(max_tokens=16)


def test_a_row_of_the_last_source_that_cannot_be_rendered_is_refused_before_weights_are_read(
    refused, tiny_folder, tmp_path
):
    folder = shutil.copytree(tiny_folder, tmp_path / "forgetful")
    template = (folder / "chat_template.jinja").read_text()
    forgetful = template.replace("m['content']", "m['content'].replace('lambda', '')")  # a word of code alone
    (folder / "chat_template.jinja").write_text(forgetful)
    assert "alters the response 'python return" in refused(model=folder)


def test_a_template_that_refuses_system_prompts_is_named(refused, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "gemma")
    template = (folder / "chat_template.jinja").read_text()
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(refusal + template)
    assert "refuses a system prompt" in refused(model=folder)


def test_cuda_where_there_is_none_is_refused(refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--device cuda: torch sees no CUDA device here" in refused(device="cuda")


def test_a_misspelt_option_ends_with_exit_code_2(options, no_weights, tmp_path, capfd):
    with pytest.raises(SystemExit) as ended:
        main([*options(tmp_path / "out"), "--penalti", "1"])
    assert ended.value.code == 2
    said = capfd.readouterr()
    assert "--penalti" in said.err and "Traceback" not in said.err and said.out == ""
    assert not (tmp_path / "out").exists()


# Interruptions


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "where",
    [
        "tradeoffbounds.overlap.case_one.case_one",
        "tradeoffbounds.models.hidden_states.pooled_states",
        "tradeoffbounds.report.figures.draw_figures",
        "tradeoffbounds.runs.json.dumps",
    ],
)
@pytest.mark.parametrize("before", [None, "{}"], ids=["new folder", "results of an earlier run"])
def test_an_interruption_leaves_no_half_written_file(options, tmp_path, monkeypatch, fitted, where, before):
    out, cache = tmp_path / "out", tmp_path / "cache"
    if before is not None:
        out.mkdir()
        (out / "estimate.json").write_text(before)
    if where.endswith("pooled_states"):
        monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
    monkeypatch.setattr(where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        main([*options(out, penalty=(1.0,)), "--quiet"])
    files = {path.name: path.read_text() for path in out.rglob("*") if path.is_file()}
    assert files == ({} if before is None else {"estimate.json": before})
    assert [path for path in cache.rglob("*") if path.is_file()] == []


# Other processes


def python(*arguments, **more):
    environment = os.environ | {"PYTHONPATH": str(Path(tradeoffbounds.__file__).parents[1]), "COLUMNS": "80"} | more
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


def test_help_exits_with_0_and_mentions_every_option():
    shown = python("-m", "tradeoffbounds.estimate", "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    for field in dataclasses.fields(EstimateConfig):
        assert f"--{field.name.replace('_', '-')}" in shown.stdout
    assert "--no-stand-in" in shown.stdout and "Examples:" in shown.stdout


def test_a_wrong_call_of_the_module_is_one_line_and_exit_code_2(tmp_path, tiny_folder):
    call = python(
        "-m", "tradeoffbounds.estimate", "--proxy", "alpacca", "--model", str(tiny_folder), "--out", str(tmp_path)
    )
    assert call.returncode == 2 and call.stdout == ""
    assert re.fullmatch(r"error: .*did you mean.*\n", call.stderr)
    assert len(call.stderr) > 200  # longer than any terminal is wide, and still one line


def test_importing_the_package_loads_no_heavy_library():
    heavy = ("torch", "jax", "sklearn", "transformers", "datasets", "scipy", "matplotlib", "numpy")
    code = f"import sys, tradeoffbounds; print([m for m in {heavy} if m in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"
