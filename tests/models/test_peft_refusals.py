"""Folders of PEFT that are refused, each with its reason."""

import json
from functools import partial

import pytest
import torch

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import LINEARS, AdapterConfig, preset
from tradeoffbounds.models.load import EMBEDDED
from tradeoffbounds.models.peft_folder import CONFIG, TENSORS

from .peft_folders import read, save, save_changed
from .test_fresh_adapter import PEFT_METHODS
from .test_weights import tiny

pytestmark = pytest.mark.usefixtures("offline")
Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture
def saved(tmp_path):
    """`saved("lora", key=value)`: a folder of PEFT's whose adapter_config.json was changed by hand."""
    return partial(save_changed, tmp_path / "adapter")


def refusal(folder, **options):
    with pytest.raises(UserError) as caught:
        read(folder, **options)
    message = str(caught.value)
    assert message.startswith(f"adapter {folder}: ") and "\n" not in message
    return message.removeprefix(f"adapter {folder}: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("use_dora", True),
        ("bias", "all"),
        ("bias", "lora_only"),
        ("rank_pattern", {"q_proj": 4}),
        ("alpha_pattern", {"q_proj": 4}),
        ("layers_to_transform", [0]),
        ("layers_to_transform", 0),
        ("modules_to_save", ["lm_head"]),
        ("target_parameters", ["experts.gate_up_proj"]),
        ("fan_in_fan_out", True),
        ("lora_bias", True),
        ("layer_replication", [[0, 2], [1, 2]]),
        ("trainable_token_indices", [1, 2]),
        ("alora_invocation_tokens", [1]),
        ("use_qalora", True),
        ("kasa_config", {"beta": 1.0}),
        ("loftq_config", {"loftq_bits": 4}),
        ("megatron_config", {"a": 1}),
        ("a_setting_of_a_later_peft", 1),
    ],
)
def test_a_setting_that_changes_what_is_computed_is_refused(saved, key, value):
    message = f"{key} {json.dumps(value)} in adapter_config.json is not supported; train the adapter without it"
    assert refusal(saved(**{key: value})) == message


def test_a_long_setting_is_cut(saved):
    message = refusal(saved(rank_pattern={f"layer{i}": i for i in range(99)}))
    assert message.startswith('rank_pattern {"layer0": 0, ') and len(message) < 160


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga", "mica", "new"])
def test_an_init_that_may_change_the_base_weights_is_refused(saved, init):
    assert refusal(saved(init_lora_weights=init)) == (
        f'init_lora_weights "{init}" is not supported: it may change the base weights; convert the adapter to LoRA '
        "(path_initial_model_for_weight_conversion of PEFT's save_pretrained)"
    )


@pytest.mark.parametrize("method", ["ia3", "prompt-tuning", "p-tuning"])
def test_modules_to_save_are_refused_for_every_method(saved, method):
    assert "modules_to_save" in refusal(saved(method, modules_to_save=["lm_head"]))


def test_ia3_on_transposed_weights_is_refused(saved):
    assert "fan_in_fan_out true in adapter_config.json is not supported" in refusal(saved("ia3", fan_in_fan_out=True))


@pytest.mark.parametrize("method", ["prompt-tuning", "p-tuning"])
def test_prompts_for_an_encoder_and_a_decoder_are_refused(saved, method):
    assert "num_transformer_submodules 2" in refusal(saved(method, num_transformer_submodules=2))


@pytest.mark.parametrize("kind", ["PREFIX_TUNING", "ADALORA", "VERA", None, 3])
def test_other_methods_are_refused(saved, kind):
    assert refusal(saved(peft_type=kind)) == (
        f"peft_type {json.dumps(kind)} is not supported; expected LORA, IA3, PROMPT_TUNING, P_TUNING"
    )


def test_other_tasks_are_refused(saved):
    assert refusal(saved(task_type="SEQ_CLS")) == 'task_type "SEQ_CLS" is not supported; expected CAUSAL_LM'


def test_targets_outside_the_blocks_are_refused(tmp_path):
    supported = ", ".join(LINEARS)
    save(tmp_path / "a", preset("lora", 32), target_modules=["q_proj", "lm_head"])
    assert refusal(tmp_path / "a") == f"it adapts lm_head; supported are {supported}"
    save(tmp_path / "b", preset("lora", 32), target_modules=r".*(lm_head|q_proj)")
    assert "base_model.model.lm_head.lora_A.weight of shape (8, 32) is not one of the 4" in refusal(tmp_path / "b")
    save(tmp_path / "c", preset("lora", 32), target_modules=r".*lm_head")
    assert refusal(tmp_path / "c").startswith(f"{TENSORS} adapts no linear layer of a decoder; supported are")


@pytest.mark.parametrize(
    ("method", "key", "value", "expected"),
    [
        ("lora", "r", 0, "int"),
        ("lora", "r", "8", "int"),
        ("lora", "r", True, "int"),
        ("lora", "lora_alpha", None, "float"),
        ("lora", "lora_alpha", -1, "float"),
        ("lora", "lora_alpha", float("inf"), "float"),
        ("lora", "lora_alpha", float("nan"), "float"),
        ("prompt-tuning", "num_virtual_tokens", 2.5, "int"),
    ],
)
def test_numbers_that_are_none_are_refused(saved, method, key, value, expected):
    message = f"{key} {json.dumps(value)} in adapter_config.json; expected a positive {expected}"
    assert refusal(saved(method, **{key: value})) == message


# Another base model


@pytest.mark.parametrize("method", PEFT_METHODS)
def test_an_adapter_of_a_wider_model_is_refused(saved, method):
    folder = saved(method, base_model_name_or_path="owner/wide")
    message = refusal(folder, base=tiny("Llama", hidden_size=64))
    first = {
        "lora": f"{Q_PROJ}.lora_A.weight has shape (8, 32), expected (8, 64)",
        "ia3": "base_model.model.model.layers.0.self_attn.k_proj.ia3_l has shape (16, 1), expected (32, 1)",
    }.get(method, "prompt_embeddings has shape (20, 32), expected (20, 64)")
    assert message == f"{first} for --model owner/tiny; pass the --model it was trained on, owner/wide"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"num_key_value_heads": 4}, "v_proj.lora_B"),
        ({"num_key_value_heads": 1}, "v_proj.lora_B"),
        ({"head_dim": 16}, "q_proj.lora_B"),
        ({"intermediate_size": 40}, "gate_proj.lora_B"),
    ],
)
def test_every_size_is_compared(tmp_path, changes, name):
    save(tmp_path, AdapterConfig("lora", targets=("q_proj", "v_proj", "gate_proj"), rank=2, alpha=2.0, scale=1.0))
    assert f"{name}.weight has shape" in refusal(tmp_path, base=tiny("Llama", **changes))


def test_the_number_of_layers_is_compared(saved):
    message = refusal(saved(), base=tiny("Llama", num_hidden_layers=1))
    assert message == (
        "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight of shape (8, 32) is not one of the 4 tensors "
        "expected for --model owner/tiny of 1 layers; pass the --model it was trained on"
    )
    assert refusal(saved(), base=tiny("Llama", num_hidden_layers=3)) == (
        "adapter_model.safetensors has no base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight, expected "
        "with shape (8, 32): it adapts some layers only, which is not supported, or another model than owner/tiny; "
        "pass the --model it was trained on"
    )
    assert refusal(saved("p-tuning"), base=tiny("Llama", num_hidden_layers=3)) == (
        "it was trained on 2 layers, but --model owner/tiny has 3; pass the --model it was trained on"
    )


def test_the_rank_and_the_virtual_tokens_must_be_those_of_the_tensors(saved):
    assert f"{Q_PROJ}.lora_A.weight has shape (8, 32), expected (4, 32)" in refusal(saved(r=4))
    message = refusal(saved("prompt-tuning", num_virtual_tokens=7))
    assert message.startswith("prompt_embeddings has shape (20, 32), expected (7, 32)")


@pytest.mark.parametrize("base", ["owner/other", "/models/other", "tiny-2", "other"])
def test_another_name_is_another_model(saved, base):
    assert refusal(saved(base_model_name_or_path=base)) == (
        f"it was trained on {base}, not on owner/tiny; pass --model {base}, or correct base_model_name_or_path in "
        "adapter_config.json if the weights are the same"
    )


def test_the_embedded_model_has_a_name_of_its_own(saved, monkeypatch, tmp_path):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    folder = saved(base_model_name_or_path="/elsewhere/models/smollm2-135m-instruct-q4_1")
    assert read(folder, model=EMBEDDED)[0] == preset("lora", 32)
    message = refusal(saved(base_model_name_or_path="HuggingFaceTB/SmolLM2-135M-Instruct"), model=EMBEDDED)
    assert message.startswith("it was trained on HuggingFaceTB/SmolLM2-135M-Instruct, not on embedded; pass --model")
    assert not (tmp_path / "cache").exists()  # nothing was converted


def test_an_adapter_of_a_gguf_file_names_the_file_or_its_folder(saved, tmp_path):
    model = str(tmp_path / "quantised" / "tiny.Q4_1.gguf")
    for base in (model, "/elsewhere/tiny.q4_1.gguf", "/elsewhere/quantised"):
        assert read(saved(base_model_name_or_path=base), model=model)[0] == preset("lora", 32)
    assert "it was trained on owner/tiny" in refusal(saved(base_model_name_or_path="owner/tiny"), model=model)


# Damaged folders


def test_what_is_no_folder_of_peft_s_is_refused(tmp_path, saved):
    assert refusal(tmp_path / "gone") == "no such folder; give one that PEFT saved"
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty") == "no adapter_config.json there; give a folder that PEFT saved"
    folder = saved()
    (folder / TENSORS).unlink()
    assert refusal(folder) == "no adapter_model.safetensors there; give a folder that PEFT saved"
    torch.save({}, folder / "adapter_model.bin")
    assert refusal(folder) == (
        "adapter_model.bin is pickled, and pickles are never read; save the adapter again with safe_serialization=True"
    )


@pytest.mark.parametrize("text", ["", "{", '{"peft_type": "LORA"', b"\xff\xfe\x00"])
def test_a_configuration_that_is_no_json_is_refused(saved, text):
    folder = saved()
    (folder / CONFIG).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refusal(folder).startswith("cannot read adapter_config.json: ")


def test_a_configuration_that_is_no_object_is_refused(saved):
    folder = saved()
    (folder / CONFIG).write_text("[1]")
    assert refusal(folder) == "adapter_config.json holds no JSON object; save the adapter again"


@pytest.mark.parametrize("spoil", ["garbage", "half"])
def test_tensors_that_cannot_be_read_are_refused(saved, spoil):
    file = saved() / TENSORS
    file.write_bytes(b"this is no tensor" if spoil == "garbage" else file.read_bytes()[:900])
    assert refusal(file.parent).startswith("cannot read adapter_model.safetensors: ")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(saved, value):
    def spoil(tensors):
        tensors[f"{Q_PROJ}.lora_B.weight"][3, 1] = value
        return tensors

    message = f"{Q_PROJ}.lora_B.weight has NaN or infinite values; the training that made it diverged"
    assert refusal(saved(tensors=spoil)) == message


def test_integers_are_no_adapter(saved):
    folder = saved(tensors=lambda tensors: {name: tensor.int() for name, tensor in tensors.items()})
    assert "holds torch.int32, expected floating-point numbers" in refusal(folder)


def test_a_tensor_missing_or_too_many_is_named(saved):
    message = refusal(
        saved(tensors=lambda tensors: {k: v for k, v in tensors.items() if k != f"{Q_PROJ}.lora_B.weight"})
    )
    assert message.startswith(f"adapter_model.safetensors has no {Q_PROJ}.lora_B.weight, expected with shape (32, 8)")
    message = refusal(saved(tensors=lambda tensors: tensors | {f"{Q_PROJ}.lora_magnitude_vector": torch.ones(32)}))
    assert message.startswith(f"{Q_PROJ}.lora_magnitude_vector of shape (32,) is not one of the 8 tensors expected")
    message = refusal(saved("prompt-tuning", tensors=lambda tensors: {"prompt": tensors["prompt_embeddings"]}))
    assert message.startswith("adapter_model.safetensors has no prompt_embeddings, expected with shape (20, 32)")
