"""Folders of PEFT: there and back with the same logits."""

import json
from functools import partial

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import LINEARS, AdapterConfig, preset
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.load import EMBEDDED
from tradeoffbounds.models.peft_folder import CONFIG, TENSORS, write_adapter

from .peft_folders import read, save, save_changed
from .test_fresh_adapter import CONFIGS, TOKENS
from .test_weights import FAMILIES, tiny

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def saved(tmp_path):
    """`saved("lora", key=value)`: a folder of PEFT's whose adapter_config.json was changed by hand."""
    return partial(save_changed, tmp_path / "adapter")


def logits(model):
    with torch.inference_mode():
        return model(input_ids=TOKENS).logits


# There and back


@pytest.mark.parametrize("name", CONFIGS)
def test_a_round_trip_through_us_gives_peft_the_same_logits(family, name, tmp_path):
    theirs = save(tmp_path / "theirs", CONFIGS[name], family=family)
    config, tensors = read(tmp_path / "theirs", base=tiny(family))
    write_adapter(tmp_path / "ours", config, tensors, model="owner/tiny")
    reloaded, again = (
        logits(peft.PeftModel.from_pretrained(tiny(family), tmp_path / folder)) for folder in ("ours", "theirs")
    )
    assert torch.equal(reloaded, again)
    torch.testing.assert_close(reloaded, logits(theirs), rtol=0, atol=1e-4)  # P-tuning's encoder is run once
    assert not torch.allclose(reloaded[:, -5:], logits(tiny(family))[:, -5:], atol=1e-2)

    same, arrays = read(tmp_path / "ours", base=tiny(family))
    assert same == config and arrays.keys() == tensors.keys()
    assert all(np.array_equal(arrays[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_read_is_the_adapter_that_was_trained(name, tmp_path):
    save(tmp_path, CONFIGS[name])
    config, tensors = read(tmp_path)
    if name == "p-tuning":  # its encoder is not in the folder
        assert config == AdapterConfig("p-tuning", virtual_tokens=20)
    else:
        assert config == CONFIGS[name]
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_fresh_adapter_can_be_written_and_read(name, tmp_path):
    config = CONFIGS[name]
    tensors = fresh_adapter(tiny("Llama"), config, seed=0)
    if name == "p-tuning":
        with pytest.raises(ValueError, match="p-tuning is written as prompt_embeddings alone"):
            write_adapter(tmp_path / "new", config, tensors, model="owner/tiny")
        assert not (tmp_path / "new").exists()
        return
    write_adapter(tmp_path / "new", config, tensors, model="owner/tiny")
    same, arrays = read(tmp_path / "new")
    assert same == config and all(np.array_equal(arrays[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened(saved, dtype):
    folder = saved(tensors=lambda tensors: {name: tensor.to(dtype) for name, tensor in tensors.items()})
    _, arrays = read(folder)
    for name, tensor in load_file(folder / TENSORS).items():
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], tensor.float().numpy())


def test_an_lstm_s_virtual_tokens_are_read_like_any(tmp_path):
    save(tmp_path, preset("p-tuning", 32), encoder_reparameterization_type="LSTM")
    assert read(tmp_path)[0] == AdapterConfig("p-tuning", virtual_tokens=20)


@pytest.mark.parametrize("pattern", [r".*\.(q|v)_proj", r".*self_attn\.(q_proj|v_proj)$"])
def test_targets_given_as_a_pattern_come_from_the_tensors(tmp_path, pattern):
    save(tmp_path, preset("lora", 32), target_modules=pattern)
    assert read(tmp_path)[0].targets == ("q_proj", "v_proj")


def test_all_linear_layers_are_all_of_them(tmp_path):
    save(tmp_path, preset("lora", 32), target_modules="all-linear")
    assert read(tmp_path)[0].targets == LINEARS


def test_excluded_targets_are_none(tmp_path):
    save(tmp_path, preset("lora", 32), exclude_modules=["v_proj"])
    assert read(tmp_path)[0].targets == ("q_proj",)


def test_ia3_s_inputs_given_as_a_pattern_come_from_the_tensors(tmp_path):
    save(tmp_path, CONFIGS["ia3 on all"], feedforward_modules=r".*\.(o|down)_proj")
    assert read(tmp_path)[0] == CONFIGS["ia3 on all"]


@pytest.mark.parametrize("init", [False, "gaussian", "orthogonal"])
def test_other_ways_to_begin_that_keep_the_base_weights_are_fine(tmp_path, init):
    save(tmp_path, preset("lora", 32), init_lora_weights=init)
    assert read(tmp_path)[0] == preset("lora", 32)


@pytest.mark.parametrize(
    "changes",
    [
        {"lora_dropout": 0.1, "inference_mode": True, "revision": "main", "a_later_setting": None, "another": []},
        {"base_model_name_or_path": None},
        {"base_model_name_or_path": ""},
        {"base_model_name_or_path": "/elsewhere/Tiny/"},
        {"base_model_name_or_path": "C:\\models\\tiny"},
    ],
)
def test_what_has_no_say_in_the_result_is_accepted(saved, changes):
    assert read(saved(**changes))[0] == preset("lora", 32)


# Writing


def test_the_folder_holds_the_two_files_and_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        write_adapter(
            tmp_path / name, CONFIGS["ia3 on all"], fresh_adapter(tiny("Llama"), CONFIGS["ia3 on all"], seed=0),
            model="owner/tiny",
        )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [CONFIG, TENSORS]
    record = json.loads((tmp_path / "one" / CONFIG).read_text())
    assert record["target_modules"] == sorted(LINEARS) and record["feedforward_modules"] == ["down_proj", "o_proj"]
    for file in (CONFIG, TENSORS):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_what_is_there_is_not_overwritten(saved, tmp_path):
    folder = saved()
    config, tensors = read(folder)
    before = (folder / TENSORS).read_bytes()
    for path in (folder, folder / CONFIG):
        with pytest.raises(UserError, match=f"adapter {path}: something is there already; remove it, or choose"):
            write_adapter(path, config, tensors, model="owner/tiny")
    assert (folder / TENSORS).read_bytes() == before
    (tmp_path / "empty").mkdir()
    write_adapter(tmp_path / "empty", config, tensors, model="owner/tiny")
    assert read(tmp_path / "empty")[0] == config


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="could not convert"):
        write_adapter(tmp_path / "new", preset("lora", 32), {"name": np.array("no number")}, model="owner/tiny")
    assert list(tmp_path.iterdir()) == []


def test_the_base_model_is_remembered_by_a_path_or_a_name(tmp_path, monkeypatch):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "models")
    config = preset("lora", 32)
    tensors = fresh_adapter(tiny("Llama"), config, seed=0)
    bases = {
        "owner/tiny": "owner/tiny", "mine": str(tmp_path / "models" / "mine"), ".": str(tmp_path / "models"),
        EMBEDDED: "smollm2-135m-instruct-q4_1",
    }  # fmt: skip
    for number, (model, base) in enumerate(bases.items()):
        folder = tmp_path / str(number)
        write_adapter(folder, config, tensors, model=model)
        assert json.loads((folder / CONFIG).read_text())["base_model_name_or_path"] == base
        assert read(folder, model=model)[0] == config
