"""Base weights and adapters between the names of transformers and PEFT and the decoder's pytrees.

transformers names a weight per layer (``model.layers.3.mlp.up_proj.weight``); the decoder scans its
layers and keeps one array with the layer as first axis (``layers/mlp/up_proj/weight``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.decoder_config import DecoderConfig

Arrays = Mapping[str, np.ndarray]
_LAYER = re.compile(r"(?:base_model\.model\.)?model\.layers\.(\d+)\.(.+)")


def params_from_transformers(config: DecoderConfig, state: Arrays, dtype: str) -> dict[str, Any]:
    """The collection ``params`` out of a transformers state dict.

    Args:
        dtype: of every weight, ``float32`` or ``bfloat16``.
    """
    params = _stacked(state, config.layers, lambda path: path, dtype)
    top = {"embed_tokens": "model.embed_tokens.weight", "norm/weight": "model.norm.weight"}
    if not config.tied_head:
        top["lm_head"] = "lm_head.weight"
    for path, name in top.items():
        _put(params, path, jnp.asarray(state[name], dtype))
    return params


def adapter_from_peft(config: DecoderConfig, adapter: AdapterConfig, tensors: Arrays) -> dict[str, Any]:
    """The collection ``adapter`` in float32, out of tensors as PEFT names them.

    P-tuning's encoder, which PEFT trains but does not save, comes as ``prompt_encoder.*``.
    """
    if adapter.method == "output-head":
        return {"head": jnp.zeros((config.vocab_size, config.hidden_size), jnp.float32)}
    if "prompt_embeddings" in tensors:
        return {"prompt": {"embedding": jnp.asarray(tensors["prompt_embeddings"], jnp.float32)}}
    if adapter.method == "p-tuning":
        return {"prompt": {ours: jnp.asarray(tensors[theirs], jnp.float32) for ours, theirs in _ENCODER.items()}}
    squeezed = {name: _drop_unit_axis(name, tensor) for name, tensor in tensors.items()}
    return _stacked(squeezed, config.layers, lambda path: _adapter_path(path, adapter), "float32")


def adapter_to_peft(adapter: AdapterConfig, pytree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The tensors that PEFT saves for this adapter: of P-tuning the virtual tokens that its encoder makes.

    Raises:
        ValueError: PEFT has no such method.
    """
    if adapter.method == "output-head":
        raise ValueError("PEFT has no method output-head")
    if adapter.virtual_tokens:
        from tradeoffbounds.models.decoder import VirtualTokens

        rows = VirtualTokens().apply({"adapter": pytree["prompt"]})
        return {"prompt_embeddings": np.asarray(rows)}
    tensors = {}
    for keys, stacked in jax.tree_util.tree_leaves_with_path(pytree["layers"]):
        *modules, leaf = (key.key for key in keys)
        for layer, values in enumerate(np.asarray(stacked)):
            prefix = f"base_model.model.model.layers.{layer}.{'.'.join(modules)}"
            if leaf == "ia3_input":
                tensors[f"{prefix}.ia3_l"] = values[None, :]
            elif leaf == "ia3_output":
                tensors[f"{prefix}.ia3_l"] = values[:, None]
            else:
                tensors[f"{prefix}.{leaf}.weight"] = values
    return tensors


#: Our names in `VirtualTokens` -> PEFT's of the encoder: an embedding and three layers with ReLU between.
_ENCODER = {"embedding": "prompt_encoder.embedding.weight"} | {
    f"{kind}_{layer}": f"prompt_encoder.mlp_head.{2 * layer}.{kind}"
    for layer in range(3)
    for kind in ("weight", "bias")
}


def _adapter_path(path: str, adapter: AdapterConfig) -> str:
    module = path.split(".")[1]
    end = "ia3_input" if module in adapter.feedforward else "ia3_output"
    return path.replace(".lora_A.weight", ".lora_A").replace(".lora_B.weight", ".lora_B").replace("ia3_l", end)


def _drop_unit_axis(name: str, tensor: np.ndarray) -> np.ndarray:
    return tensor.reshape(-1) if name.endswith("ia3_l") else tensor


def _stacked(state: Arrays, layers: int, path_of: Callable[[str], str], dtype: str) -> dict[str, Any]:
    """The tensors of all layers, those of one name stacked along a new first axis, as a nested dict."""
    groups: dict[str, list[np.ndarray | None]] = {}
    for name, tensor in state.items():
        found = _LAYER.fullmatch(name)
        if found:
            groups.setdefault(path_of(found[2]), [None] * layers)[int(found[1])] = tensor
    tree: dict[str, Any] = {}
    for path, tensors in groups.items():
        missing = [layer for layer, tensor in enumerate(tensors) if tensor is None]
        if missing:
            raise ValueError(f"{path} is missing in layers {missing}")
        _put(tree, "layers/" + path.replace(".", "/"), jnp.asarray(np.stack(tensors), dtype))  # type: ignore[arg-type]
    return tree


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split("/")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[leaf] = value
