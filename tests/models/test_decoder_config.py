"""Configurations as transformers writes them, new and old, and those that the decoder refuses."""

import pytest
import transformers

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.decoder_config import FAMILIES, DecoderConfig, Rope
from tradeoffbounds.models.weights import model_settings

from .test_weights import tiny
from .torch_oracle import MODELS, random_model

SETTINGS = model_settings(random_model("Llama-2 linear"))
LLAMA_3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip


def read(**changes):
    return DecoderConfig.from_transformers(SETTINGS | changes)


def without_rope(settings):
    return {key: value for key, value in settings.items() if not key.startswith("rope_")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Llama-2 linear", {"qkv_bias": True, "output_bias": True, "mlp_bias": True, "tied_head": False}),
        ("Llama-2 dynamic", {"qkv_bias": False, "output_bias": False, "mlp_bias": False, "layers": 3}),
        ("Llama-3", {"rope": Rope(10_000.0, "llama3", 8.0, 1.0, 4.0, 128), "activation": "silu"}),
        ("Qwen2.5 tied", {"qkv_bias": True, "output_bias": False, "tied_head": True, "norm_eps": 0.1}),
        ("Qwen2.5 untied", {"tied_head": False, "sliding_window": None, "gemma": False}),
        ("Mistral", {"sliding_window": 6, "qkv_bias": False}),
        ("Gemma", {"gemma": True, "head_dim": 16, "kv_heads": 1, "activation": "gelu_pytorch_tanh"}),
    ],
)
def test_what_tells_the_families_apart_is_read(name, expected):
    config = DecoderConfig.from_transformers(model_settings(random_model(name)))
    assert {key: getattr(config, key) for key in expected} == expected
    assert (config.vocab_size, config.hidden_size, config.heads) == (96, 32, 4)
    assert hash(config) == hash(DecoderConfig.from_transformers(model_settings(random_model(name))))


def test_every_family_was_compared_with_torch():
    assert {f"{family}ForCausalLM" for family, *_ in MODELS.values()} == FAMILIES.keys()


@pytest.mark.parametrize(
    "scaling",
    [
        {"type": "linear", "factor": 4.0},
        {"rope_type": "linear", "factor": 4.0},
        {"type": "dynamic", "factor": 2.0},
        LLAMA_3,
        LLAMA_3 | {"type": "llama3"},
        None,
    ],
)
def test_scaling_and_base_kept_apart_as_in_older_files_read_the_same(scaling):
    old = without_rope(SETTINGS) | {
        "rope_scaling": scaling, "rope_theta": 500_000.0, "max_position_embeddings": 131_072,
    }  # fmt: skip
    new = transformers.LlamaConfig(**{key: value for key, value in old.items() if key != "architectures"}).to_dict()
    assert "rope_scaling" not in new and new["rope_parameters"]["rope_theta"] == 500_000.0
    rope = DecoderConfig.from_transformers(old).rope
    assert rope == DecoderConfig.from_transformers(new | {"architectures": ["LlamaForCausalLM"]}).rope
    assert rope.theta == 500_000.0 and rope.kind == (
        "default" if scaling is None else scaling.get("type", scaling.get("rope_type"))
    )


def test_what_older_files_leave_out_has_the_defaults_of_transformers():
    old = {key: SETTINGS[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")} | {
        "architectures": ["LlamaForCausalLM"], "num_attention_heads": 4, "rms_norm_eps": 1e-6, "hidden_act": "silu",
    }  # fmt: skip
    config = DecoderConfig.from_transformers(old)
    assert (config.kv_heads, config.head_dim, config.rope.theta, config.rope.kind) == (4, 8, 10_000.0, "default")
    assert not (config.qkv_bias or config.output_bias or config.mlp_bias or config.tied_head)


@pytest.mark.parametrize(("key", "value"), [("hidden_act", "gelu"), ("hidden_activation", "gelu")])
def test_gemma_s_old_name_of_its_activation_means_the_one_with_tanh(key, value):
    settings = model_settings(tiny("Gemma"))
    assert DecoderConfig.from_transformers(settings | {key: value}).activation == "gelu_pytorch_tanh"
    assert read(hidden_act="gelu").activation == "gelu"  # of any other it means what it says


def refusal(**changes):
    with pytest.raises(UserError) as caught:
        read(**changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("architectures", [["OlmoForCausalLM"], ["Gemma2ForCausalLM", "LlamaForCausalLM"], [], None])
def test_other_architectures_are_refused(architectures):
    assert refusal(architectures=architectures) == (
        f"curvature knows no architecture {architectures[0] if architectures else 'unknown'}; it knows "
        "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, GemmaForCausalLM (use --curvature off for Case I "
        "alone)"
    )


@pytest.mark.parametrize("kind", ["yarn", "longrope", "proportional"])
@pytest.mark.parametrize("style", ["rope_parameters", "rope_scaling"])
def test_other_rotary_scalings_are_refused(kind, style):
    settings = {"rope_parameters": None, style: {"rope_type" if style == "rope_parameters" else "type": kind}}
    assert refusal(**settings) == (
        f"curvature knows no rotary scaling '{kind}'; it knows default, linear, dynamic, llama3"
    )


@pytest.mark.parametrize("activation", ["relu", "gelu_new", None])
def test_other_activations_are_refused(activation):
    assert refusal(hidden_act=activation) == (
        f"curvature knows no activation {activation!r}; it knows silu, gelu, gelu_pytorch_tanh"
    )


def test_windows_that_differ_between_layers_are_refused():
    qwen = {"num_hidden_layers": 4, "max_window_layers": 2, "use_sliding_window": True, "sliding_window": 8}
    settings = model_settings(tiny("Qwen2", **qwen))
    assert settings["layer_types"] == ["full_attention"] * 2 + ["sliding_attention"] * 2
    message = (
        "curvature knows no Qwen2ForCausalLM with attention windows (layer_types: sliding_attention); "
        "it knows windows that are the same in all layers, as Mistral's"
    )
    for changes in ({}, {"use_sliding_window": False}, {"layer_types": None}):
        with pytest.raises(UserError) as caught:
            DecoderConfig.from_transformers(settings | changes)
        assert str(caught.value) == message
    assert DecoderConfig.from_transformers(model_settings(tiny("Qwen2"))).sliding_window is None
