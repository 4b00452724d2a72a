"""Where a model runs, and every way in which there is none to load, said in one line."""

import shutil

import pytest
import torch

from tradeoffbounds.errors import UserError
from tradeoffbounds.models import load
from tradeoffbounds.models.load import Placement, check_model, load_model, load_tokenizer, model_id, place
from tradeoffbounds.overlap.features import Reader

from ..tiny_models import chat_tokenizer

pytestmark = pytest.mark.usefixtures("offline")
ON_CPU = Placement("cpu", "float32")


@pytest.fixture
def cuda(monkeypatch):
    def pretend(*, available):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)

    return pretend


@pytest.fixture
def copy(tiny_folder, tmp_path):
    """A model folder that a test may spoil."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


# Placement


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_was_asked_for_is_what_is_used(cuda, device, dtype):
    cuda(available=True)
    assert place(device, dtype) == Placement(device, dtype)


def test_auto_prefers_cuda_and_bfloat16_on_it(cuda):
    cuda(available=True)
    assert place("auto", "auto") == Placement("cuda", "bfloat16")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx2": True}, "float32"),
        ({}, "float32"),
    ],
)
def test_auto_without_cuda_is_the_cpu_in_the_format_it_multiplies(cuda, monkeypatch, capabilities, dtype):
    cuda(available=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert place("auto", "auto") == Placement("cpu", dtype)


def test_a_torch_that_does_not_tell_its_capabilities_runs_in_float32(cuda, monkeypatch):
    cuda(available=False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert place("auto", "auto") == Placement("cpu", "float32")


def test_cuda_where_there_is_none_is_refused(cuda):
    cuda(available=False)
    with pytest.raises(UserError, match="--device cuda: torch sees no CUDA device here; use --device cpu"):
        place("cuda", "auto")


# Loading


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_folder_is_loaded_in_evaluation_mode_and_the_format_asked_for(tiny_folder, tiny_model, dtype):
    model = load_model(str(tiny_folder), Placement("cpu", dtype))
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}
    weight = tiny_model.lm_head.weight.to(getattr(torch, dtype))
    assert torch.equal(model.lm_head.weight, weight)


def test_the_tokenizer_comes_with_its_chat_template(tiny_folder, tiny_tokenizer):
    assert load_tokenizer(str(tiny_folder)).chat_template == tiny_tokenizer.chat_template


def test_a_folder_without_a_configuration_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    for call in (check_model, load_tokenizer):
        with pytest.raises(UserError, match=f"--model {tmp_path}: "):
            call(str(tmp_path))
    with pytest.raises(UserError, match=r"no config\.json there; give a folder saved by transformers, or a hub id"):
        check_model(str(tmp_path))


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"no config\.json there"):
        check_model(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("spec", ["nobody/nothing", "./gone", "no such name"])
def test_what_is_nowhere_is_one_line_that_says_what_to_give(spec):
    for call in (load_tokenizer, lambda spec: load_model(spec, ON_CPU)):
        with pytest.raises(UserError, match=f"^--model {spec}: .*; give `embedded`, a folder or a reachable hub id$"):
            call(spec)


@pytest.mark.parametrize("spoil", ["garbage", "half", "gone"])
def test_unreadable_weights_are_a_users_error(copy, spoil):
    weights = copy / "model.safetensors"
    if spoil == "garbage":
        weights.write_bytes(b"this is no tensor")
    elif spoil == "half":
        weights.write_bytes(weights.read_bytes()[:5000])
    else:
        weights.unlink()
    with pytest.raises(UserError, match=f"^--model {copy}: .*"):
        load_model(str(copy), ON_CPU)


def test_a_configuration_that_is_no_json_is_a_users_error(copy):
    (copy / "config.json").write_text("{")
    with pytest.raises(UserError, match=f"^--model {copy}: "):
        load_model(str(copy), ON_CPU)


def test_a_model_without_a_chat_template_is_refused_before_its_weights_are_read(copy, monkeypatch):
    (copy / "chat_template.jinja").unlink()
    chat_tokenizer(None, eos_token="<|im_end|>").save_pretrained(copy)
    (copy / "model.safetensors").write_bytes(b"this is no tensor")
    reader = Reader(str(copy), ON_CPU, None, 64, full=False, progress=lambda *_: None)
    with pytest.raises(UserError, match=f"model {copy} has no chat template; use an instruct model"):
        _ = reader.template


def test_pickled_weights_are_not_read(copy, tiny_model):
    (copy / "model.safetensors").unlink()
    torch.save(tiny_model.state_dict(), copy / "pytorch_model.bin")
    with pytest.raises(UserError, match=f"^--model {copy}: "):
        load_model(str(copy), ON_CPU)


# Identity


def test_a_folder_is_another_model_once_a_file_of_it_changed(copy):
    before = model_id(str(copy))
    assert before == model_id(str(copy)) and before.startswith(str(copy))
    (copy / "model.safetensors").touch()
    assert model_id(str(copy)) != before


def test_names_identify_themselves():
    assert model_id("owner/name") == "owner/name"
    assert "q4_1" in model_id(load.EMBEDDED)
