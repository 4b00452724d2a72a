"""Folders of PEFT: there and back with the same logits, and every one that is refused, with its reason."""

import json

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import LINEARS, METHODS, AdapterConfig, preset
from tradeoffbounds.models.fresh_adapter import fresh_adapter, peft_config
from tradeoffbounds.models.load import EMBEDDED
from tradeoffbounds.models.peft_folder import CONFIG, TENSORS, read_adapter, write_adapter
from tradeoffbounds.models.weights import model_settings

from .test_fresh_adapter import CONFIGS, TOKENS
from .test_weights import FAMILIES, tiny

pytestmark = pytest.mark.usefixtures("offline")
Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def save(folder, config, *, family="Llama", **changes):
    """A folder as PEFT saves it, of an adapter that moved away from where it started."""
    settings = peft_config(config)
    for name, value in changes.items():
        setattr(settings, name, value)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(tiny(family), settings)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight += 0.2 * torch.randn_like(weight)
    adapted.eval().save_pretrained(folder, save_embedding_layers=False)
    return adapted


@pytest.fixture
def saved(tmp_path):
    """`saved("lora", key=value)`: a folder of PEFT's whose adapter_config.json was changed by hand."""

    def make(method="lora", tensors=None, **changes):
        folder = tmp_path / "adapter"
        save(folder, preset(method, 32))
        record = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(record | changes))
        if tensors is not None:
            save_file(tensors(load_file(folder / TENSORS)), folder / TENSORS)
        return folder

    return make


def read(folder, *, model="owner/tiny", base=None):
    return read_adapter(folder, model=model, settings=model_settings(base or tiny("Llama")))


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


# Refusals


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


@pytest.mark.parametrize("method", METHODS)
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
    folder = saved(base_model_name_or_path="/root/.cache/tradeoffbounds/models/smollm2-135m-instruct-q4_1")
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
