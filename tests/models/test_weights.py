"""A model's weights in numpy: the same numbers, by the same names, in the same memory."""

import ml_dtypes
import numpy as np
import pytest
import torch
import transformers

from tradeoffbounds.models.weights import model_settings, read_weights

#: Class of transformers -> what its smallest useful configuration needs besides the sizes below.
FAMILIES = {
    "Llama": {},
    "Mistral": {},
    "Qwen2": {"tie_word_embeddings": True},
    "Gemma": {"head_dim": 16},  # unlike hidden_size / heads
}


def tiny(family, *, seed=0, **changes):
    """A random model of a family, its next token far from uniform."""
    sizes = {
        "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3, "pad_token_id": None,
    }  # fmt: skip
    config = getattr(transformers, f"{family}Config")(**sizes | FAMILIES[family] | changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(weight)
    return model


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_every_parameter_comes_once_by_its_name(family):
    model = tiny(family)
    weights = read_weights(model)
    parameters = dict(model.named_parameters())  # each tied weight once
    assert weights.keys() == parameters.keys()
    assert ("lm_head.weight" in weights) == (family in ("Llama", "Mistral"))
    for name, parameter in parameters.items():
        np.testing.assert_array_equal(weights[name], parameter.detach().numpy())


def test_nothing_is_copied_and_nothing_can_be_spoilt():
    model = tiny("Llama")
    weights = read_weights(model)
    with torch.no_grad():
        model.model.norm.weight[3] = 7.0
    assert weights["model.norm.weight"][3] == 7.0
    with pytest.raises(ValueError, match="read-only"):
        weights["model.norm.weight"][3] = 1.0


def test_bfloat16_stays_bfloat16_without_a_copy(family):
    model = tiny(family).to(torch.bfloat16)
    weights = read_weights(model)
    for name, parameter in model.named_parameters():
        assert weights[name].dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(weights[name].astype(np.float32), parameter.detach().float().numpy())
    with torch.no_grad():
        model.model.norm.weight[3] = 7.0
    assert weights["model.norm.weight"][3] == 7.0


def test_equal_weights_that_are_not_tied_both_come():
    model = tiny("Llama")
    with torch.no_grad():
        model.lm_head.weight.copy_(model.model.embed_tokens.weight)
    assert "lm_head.weight" in read_weights(model)


def test_settings_name_the_architecture_and_the_sizes(family, tmp_path):
    model = tiny(family)
    assert model.config.architectures is None  # as for a model out of a GGUF file
    settings = model_settings(model)
    assert settings["architectures"] == [f"{family}ForCausalLM"]
    assert (settings["hidden_size"], settings["num_hidden_layers"], settings["num_key_value_heads"]) == (32, 2, 2)
    assert model.config.architectures is None

    model.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model_settings(loaded)["architectures"] == [f"{family}ForCausalLM"]
