"""An adapter as PEFT makes it: its configuration, its initial values, and its tensors' names and shapes."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from tradeoffbounds.models.adapter_config import ATTENTION, AdapterConfig
from tradeoffbounds.models.load import tokenizer_source
from tradeoffbounds.models.prompt_init import RANDOM, starting_text

#: PEFT's name for the virtual tokens of prompt tuning and P-tuning.
VIRTUAL_TOKENS = "prompt_embeddings"


def fresh_adapter(model: Any, config: AdapterConfig, seed: int, *, spec: str | None = None) -> dict[str, np.ndarray]:
    """The trainable parameters that PEFT would start from, in float32; ``model`` stays as it is.

    The names are those of ``adapter_model.safetensors``. P-tuning's encoder, of which PEFT saves the output alone,
    comes by its parameters: ``prompt_encoder.embedding.weight``, ``prompt_encoder.mlp_head.0.weight``, ...

    Args:
        spec: see :func:`peft_config`.

    Raises:
        ValueError: P-tuning without an encoder, whose virtual tokens have no initial values of their own.
    """
    import torch
    from peft import get_peft_model_state_dict

    # PEFT rebuilds the model that it is given, so it is given other modules around the same weights.
    shared = {id(weight): torch.nn.Parameter(weight.detach(), requires_grad=False) for weight in model.parameters()}
    adapted = attach_fresh(copy.deepcopy(model, shared), config, seed, spec=spec)
    if config.method == "p-tuning":
        encoder = adapted.prompt_encoder["default"].state_dict()
        state = {f"prompt_encoder.{name}": tensor for name, tensor in encoder.items()}
    else:
        # "auto" would ask the hub whether the vocabulary was resized.
        state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    return {name: np.array(tensor.detach().float().cpu().numpy()) for name, tensor in state.items()}


def attach_fresh(model: Any, config: AdapterConfig, seed: int, *, spec: str | None = None) -> Any:
    """``model`` rebuilt by PEFT around a new adapter; the same seed gives the same initial values everywhere.

    Args:
        spec: see :func:`peft_config`.

    Raises:
        ValueError: P-tuning without an encoder, whose virtual tokens have no initial values of their own.
    """
    import torch
    from peft import get_peft_model

    if config.method == "p-tuning" and not config.encoder_hidden:
        raise ValueError("P-tuning starts from an encoder: encoder_hidden must be positive")
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT's use of transformers is not the caller's
        torch.manual_seed(seed)
        return get_peft_model(model, peft_config(config, spec=spec))


def peft_config(config: AdapterConfig, *, spec: str | None = None) -> Any:
    """The same adapter as a configuration object of PEFT, everything that could differ between families explicit.

    Args:
        spec: the model as ``--model`` takes it; its tokenizer reads the text that virtual tokens start from.

    Raises:
        ValueError: LoRA's scale is neither alpha / rank nor alpha / sqrt(rank), PEFT has no such method, or there is
            a text to start from but no ``spec``.
    """
    from peft import IA3Config, LoraConfig, PromptEncoderConfig, PromptTuningConfig, TaskType

    task = TaskType.CAUSAL_LM
    if config.method == "lora":
        return LoraConfig(
            task_type=task,
            target_modules=list(config.targets),
            r=config.rank,
            lora_alpha=int(config.alpha) if float(config.alpha).is_integer() else config.alpha,  # type: ignore[arg-type]
            lora_dropout=0.0,
            use_rslora=_rank_stabilised(config),
        )
    if config.method == "ia3":
        return IA3Config(
            task_type=task, target_modules=list(config.targets), feedforward_modules=list(config.feedforward)
        )
    if config.method == "prompt-tuning":
        return PromptTuningConfig(
            task_type=task, num_virtual_tokens=config.virtual_tokens, **_prompt_tuning_init(config, spec)
        )
    if config.method != "p-tuning":
        raise ValueError(f"PEFT has no method {config.method}")
    return PromptEncoderConfig(
        task_type=task,
        num_virtual_tokens=config.virtual_tokens,
        encoder_reparameterization_type="MLP",
        encoder_hidden_size=config.encoder_hidden or None,  # type: ignore[arg-type]
    )


def tensor_shapes(config: AdapterConfig, settings: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors of PEFT's folder for this adapter, in the order of the layers, and their shapes."""
    hidden, inner, heads = settings["hidden_size"], settings["intermediate_size"], settings["num_attention_heads"]
    if config.virtual_tokens:
        return {VIRTUAL_TOKENS: (config.virtual_tokens, hidden)}
    head_dim = settings.get("head_dim") or hidden // heads
    queries, keys = heads * head_dim, (settings.get("num_key_value_heads") or heads) * head_dim
    widths = {  # (in, out)
        "q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys), "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner), "up_proj": (hidden, inner), "down_proj": (inner, hidden),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(settings["num_hidden_layers"]):
        for target in config.targets:
            block = "self_attn" if target in ATTENTION else "mlp"
            module = f"base_model.model.model.layers.{layer}.{block}.{target}"
            into, out = widths[target]
            if config.method == "lora":
                shapes[f"{module}.lora_A.weight"] = (config.rank, into)
                shapes[f"{module}.lora_B.weight"] = (out, config.rank)
            else:
                shapes[f"{module}.ia3_l"] = (1, into) if target in config.feedforward else (out, 1)
    return shapes


def _prompt_tuning_init(config: AdapterConfig, spec: str | None) -> dict[str, Any]:
    text = starting_text(config.prompt_init)
    if text is None:
        # PEFT's own default, N(0, 1), is many times as long as a token's embedding.
        return {"prompt_tuning_init": "RANDOM" if config.prompt_init == RANDOM else "SAMPLE_VOCAB"}
    if spec is None:
        raise ValueError("virtual tokens that start from a text need the model's tokenizer: give spec")
    source, options = tokenizer_source(spec)
    return {
        "prompt_tuning_init": "TEXT", "prompt_tuning_init_text": text, "tokenizer_name_or_path": source,
        "tokenizer_kwargs": options or None,
    }  # fmt: skip


def _rank_stabilised(config: AdapterConfig) -> bool:
    if math.isclose(config.scale, config.alpha / config.rank):
        return False
    if math.isclose(config.scale, config.alpha / math.sqrt(config.rank)):
        return True
    raise ValueError(f"LoRA of rank {config.rank} and alpha {config.alpha} cannot have the scale {config.scale}")
