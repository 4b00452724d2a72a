"""What tells the decoders of the five families apart, read from a transformers configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradeoffbounds.errors import UserError

#: Architectures as transformers names them. Llama-2, Llama-3 and SmolLM2 are Llamas, Qwen2.5 is a Qwen2.
FAMILIES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "GemmaForCausalLM": "gemma",
}
_ROPE_TYPES = ("default", "linear", "dynamic", "llama3")
_ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh")


@dataclass(frozen=True)
class Rope:
    """Rotary positions: base and scaling (``linear``, ``dynamic``: Llama-2; ``llama3``: Llama-3.1 and later).

    ``dynamic`` goes by the length that texts are padded to, as in transformers.
    """

    theta: float = 10_000.0
    kind: str = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    #: ``llama3``: positions of the first training; ``dynamic``: positions from which on it scales.
    original_positions: int = 8192


@dataclass(frozen=True)
class DecoderConfig:
    """One decoder; hashable, so that a compiled function may depend on it."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    norm_eps: float
    activation: str = "silu"
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    tied_head: bool = False
    rope: Rope = Rope()
    sliding_window: int | None = None
    #: Gemma: norms scale by 1 + weight, and embeddings by sqrt(hidden_size).
    gemma: bool = False

    @classmethod
    def from_transformers(cls, settings: Mapping[str, Any]) -> DecoderConfig:
        """From ``config.to_dict()`` of a transformers model.

        Raises:
            UserError: another architecture, rotary scaling or activation than the ones known here.
        """
        architecture = next(iter(settings.get("architectures") or []), "unknown")
        family = FAMILIES.get(architecture)
        if family is None:
            raise UserError(
                f"curvature knows no architecture {architecture}; it knows {', '.join(FAMILIES)} "
                "(use --curvature off for Case I alone)"
            )
        activation = settings.get("hidden_activation") or settings.get("hidden_act")
        if activation not in _ACTIVATIONS:
            raise UserError(f"curvature knows no activation {activation!r}; it knows {', '.join(_ACTIVATIONS)}")
        kinds = settings.get("layer_types") or (["sliding_attention"] if settings.get("use_sliding_window") else [])
        if family != "mistral" and "sliding_attention" in kinds:
            raise UserError(
                f"curvature knows no {architecture} with attention windows (layer_types: sliding_attention); "
                "it knows windows that are the same in all layers, as Mistral's"
            )
        heads, hidden = settings["num_attention_heads"], settings["hidden_size"]
        attention_bias = bool(settings.get("attention_bias", False))
        return cls(
            vocab_size=settings["vocab_size"],
            hidden_size=hidden,
            intermediate_size=settings["intermediate_size"],
            layers=settings["num_hidden_layers"],
            heads=heads,
            kv_heads=settings.get("num_key_value_heads") or heads,
            head_dim=settings.get("head_dim") or hidden // heads,
            norm_eps=settings["rms_norm_eps"],
            activation="gelu_pytorch_tanh" if family == "gemma" and activation == "gelu" else activation,
            qkv_bias=family == "qwen2" or attention_bias,
            output_bias=attention_bias,
            mlp_bias=bool(settings.get("mlp_bias", False)),
            tied_head=bool(settings.get("tie_word_embeddings", False)),
            rope=_rope(settings),
            sliding_window=settings.get("sliding_window") if family == "mistral" else None,
            gemma=family == "gemma",
        )


def _rope(settings: Mapping[str, Any]) -> Rope:
    # transformers 5 keeps base and scaling together; older files keep them apart.
    scaling = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in _ROPE_TYPES:
        raise UserError(f"curvature knows no rotary scaling {kind!r}; it knows {', '.join(_ROPE_TYPES)}")
    return Rope(
        theta=float(scaling.get("rope_theta") or settings.get("rope_theta") or 10_000.0),
        kind=kind,
        factor=float(scaling.get("factor", 1.0)),
        low_freq_factor=float(scaling.get("low_freq_factor", 1.0)),
        high_freq_factor=float(scaling.get("high_freq_factor", 4.0)),
        original_positions=int(
            # Of the two kinds that ask for it, transformers lets only this one say so here.
            (kind == "llama3" and scaling.get("original_max_position_embeddings"))
            or settings.get("max_position_embeddings")
            or 8192
        ),
    )
