"""Fresh adapters are PEFT's own, number by number, and making one leaves no trace on the model."""

import copy
import warnings

import numpy as np
import peft
import pytest
import torch

from tradeoffbounds.models.adapter_config import LINEARS, METHODS, AdapterConfig, preset
from tradeoffbounds.models.fresh_adapter import fresh_adapter, peft_config, tensor_shapes
from tradeoffbounds.models.weights import model_settings

from .test_weights import FAMILIES, tiny

TOKENS = torch.arange(24).reshape(2, 12)
PEFT_METHODS = [method for method in METHODS if method != "output-head"]
CONFIGS = {method: preset(method, 32) for method in PEFT_METHODS} | {
    "lora on all": AdapterConfig("lora", targets=LINEARS, rank=4, alpha=6.0, scale=3.0),  # rank-stabilised
    "ia3 on all": AdapterConfig("ia3", targets=LINEARS, feedforward=("o_proj", "down_proj")),
}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def made_by_peft(model, config, seed):
    """PEFT's model, made as its documentation says."""
    torch.manual_seed(seed)
    return peft.get_peft_model(model, peft_config(config))


def everything(model):
    """All that a caller could see change."""
    with torch.inference_mode():
        logits = model(TOKENS).logits
    return {
        "logits": logits.numpy().tobytes(),
        "state": list(model.state_dict()),
        "modules": {name: (id(module), module.training) for name, module in model.named_modules()},
        "weights": {name: (id(weight), weight.requires_grad) for name, weight in model.named_parameters()},
        "attributes": sorted(vars(model)),
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        "config": copy.deepcopy(model.config.to_dict()),
        "generation": model.generation_config.to_dict(),
        "random numbers": torch.random.get_rng_state().tolist(),
    }


def test_the_values_are_those_that_peft_makes_with_the_same_seed(family, config):
    tensors = fresh_adapter(tiny(family), config, seed=3)
    theirs = made_by_peft(tiny(family), config, seed=3)
    trained = {name: weight for name, weight in theirs.named_parameters() if weight.requires_grad}
    assert len(tensors) == len(trained)
    for name, tensor in tensors.items():
        if name == "prompt_embeddings":
            (weight,) = trained.values()
        elif config.method == "p-tuning":
            weight = trained[name.replace("prompt_encoder.", "prompt_encoder.default.")]
        elif config.method == "ia3":
            weight = trained[f"{name}.default"]
        else:
            weight = trained[name.replace(".weight", ".default.weight")]
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, weight.detach().numpy())


def test_the_names_are_those_of_the_folder_that_peft_writes(family, config, tmp_path):
    from safetensors.numpy import load_file

    made_by_peft(tiny(family), config, seed=0).save_pretrained(tmp_path, save_embedding_layers=False)
    saved = {name: array.shape for name, array in load_file(tmp_path / "adapter_model.safetensors").items()}
    assert saved == tensor_shapes(config, model_settings(tiny(family)))
    tensors = fresh_adapter(tiny(family), config, seed=0)
    if config.method == "p-tuning":  # PEFT does not save the encoder
        encoder = [f"mlp_head.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")]
        assert list(tensors) == [f"prompt_encoder.{name}" for name in ["embedding.weight", *encoder]]
    else:
        assert {name: tensor.shape for name, tensor in tensors.items()} == saved


@pytest.mark.parametrize("frozen", [False, True])
def test_the_model_stays_as_it_was(family, config, frozen):
    model = tiny(family).requires_grad_(not frozen)
    if frozen:
        model.gradient_checkpointing_enable()  # for which PEFT would put a hook on the embeddings
    model.model.embed_tokens.weight.requires_grad_(frozen)
    model.generation_config.temperature = 0.3
    before = everything(model)
    fresh_adapter(model, config, seed=0)
    assert everything(model) == before


def test_the_seed_decides_and_the_caller_s_does_not():
    model, config = tiny("Llama"), CONFIGS["lora"]
    first = fresh_adapter(model, config, seed=1)
    torch.manual_seed(99)
    again, other = fresh_adapter(model, config, seed=1), fresh_adapter(model, config, seed=2)
    name = "base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight"
    assert np.array_equal(first[name], again[name]) and not np.array_equal(first[name], other[name])


def test_the_arrays_are_the_caller_s_own():
    model = tiny("Llama")
    fresh = fresh_adapter(model, CONFIGS["prompt-tuning"], seed=0)["prompt_embeddings"]
    rows = {row.tobytes() for row in model.model.embed_tokens.weight.detach().numpy()}
    assert all(row.tobytes() in rows for row in fresh)  # tokens of the vocabulary, not N(0, 1)
    before = model.model.embed_tokens.weight.clone()
    fresh += 1
    assert torch.equal(model.model.embed_tokens.weight, before)


def test_on_a_bfloat16_model_adapters_are_float32(config):
    model = tiny("Llama").to(torch.bfloat16)
    assert {tensor.dtype for tensor in fresh_adapter(model, config, seed=0).values()} == {np.dtype(np.float32)}
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


def test_nothing_is_warned_of(config):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh_adapter(tiny("Gemma"), config, seed=0)


def test_the_settings_of_peft_s_configuration_are_explicit():
    lora, ia3 = peft_config(CONFIGS["lora"]), peft_config(CONFIGS["ia3"])
    assert (lora.task_type, lora.r, lora.lora_alpha, lora.lora_dropout, lora.bias) == ("CAUSAL_LM", 8, 16, 0.0, "none")
    assert lora.target_modules == {"q_proj", "v_proj"} and not lora.use_rslora
    assert peft_config(CONFIGS["lora on all"]).use_rslora
    assert ia3.target_modules == {"k_proj", "v_proj", "down_proj"} and ia3.feedforward_modules == {"down_proj"}
    assert peft_config(CONFIGS["prompt-tuning"]).prompt_tuning_init == "SAMPLE_VOCAB"
    encoder = peft_config(CONFIGS["p-tuning"])
    assert (encoder.encoder_reparameterization_type, encoder.encoder_hidden_size) == ("MLP", 32)


def test_a_scale_that_peft_cannot_make_is_refused():
    with pytest.raises(ValueError, match=r"rank 4 and alpha 8\.0 cannot have the scale 3\.0"):
        peft_config(AdapterConfig("lora", targets=("q_proj",), rank=4, alpha=8.0, scale=3.0))


def test_virtual_tokens_whose_encoder_is_lost_have_no_fresh_values():
    with pytest.raises(ValueError, match="P-tuning starts from an encoder"):
        fresh_adapter(tiny("Llama"), AdapterConfig("p-tuning", virtual_tokens=5), seed=0)
