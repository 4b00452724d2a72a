"""The weights of a transformers model as numpy arrays: where torch hands over to JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

_HEAD = "lm_head.weight"


def read_weights(model: Any) -> dict[str, np.ndarray]:
    """The state dict of a causal language model, by transformers' names: ``model.layers.0.self_attn.q_proj.weight``.

    Read-only views of the model's own memory where it is on the CPU, copies where it is not; bfloat16 stays what
    it is, as ``ml_dtypes.bfloat16``. ``lm_head.weight`` is left out where it is tied to the embeddings.
    """
    state = model.state_dict()
    if _HEAD in state and state[_HEAD].data_ptr() == model.get_input_embeddings().weight.data_ptr():
        del state[_HEAD]
    return {name: _as_numpy(tensor) for name, tensor in state.items()}


def model_settings(model: Any) -> dict[str, Any]:
    """The configuration of the language model as transformers writes it, ``architectures`` always filled in."""
    settings: dict[str, Any] = model.config.get_text_config().to_dict()
    if not settings.get("architectures"):
        settings["architectures"] = [type(model).__name__]
    return settings


def _as_numpy(tensor: Any) -> np.ndarray:
    import ml_dtypes
    import torch

    tensor = tensor.detach().cpu()
    array: np.ndarray
    if tensor.dtype == torch.bfloat16:  # the one format numpy does not have
        array = tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    else:
        array = tensor.numpy()
    array.flags.writeable = False
    return array
