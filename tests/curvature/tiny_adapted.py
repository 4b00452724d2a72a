"""A random Llama of two layers with few enough adapter parameters that their Hessian can be written out."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np

from tradeoffbounds.curvature.adapted import adapt, import_params
from tradeoffbounds.curvature.response_loss import common_shape
from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.weights import model_settings, read_weights
from tradeoffbounds.sources.chat import Rendered

from ..models.test_weights import tiny

CPU = jax.devices("cpu")[:1]
ADAPTERS = {
    "lora": AdapterConfig("lora", targets=("q_proj", "v_proj"), rank=1, alpha=2.0, scale=2.0),
    "ia3": AdapterConfig("ia3", targets=("k_proj", "v_proj", "down_proj"), feedforward=("down_proj",)),
    "prompt-tuning": AdapterConfig("prompt-tuning", virtual_tokens=3),
    "output-head": AdapterConfig("output-head"),
}


def texts(rows, seed):
    """Random tokens of several lengths; the response begins somewhere behind the third token."""
    rng = np.random.default_rng(seed)
    found = []
    for length in rng.integers(8, 16, rows):
        first = int(rng.integers(3, length - 3))
        found.append(Rendered(rng.integers(1, 96, length).tolist(), (0, first), (first, int(length)), truncated=False))
    return found


SAFETY, CAPABILITY, PROXY = (texts(6, seed) for seed in (1, 2, 3))
SHAPE = common_shape([SAFETY, CAPABILITY, PROXY], chunk=4)


@cache
def base():
    """Model in torch, its configuration, its weights in JAX. A random head, but no far-off logits."""
    model = tiny("Llama", initializer_range=0.15)
    config = DecoderConfig.from_transformers(model_settings(model))
    return model, config, import_params(config, read_weights(model), "float32", CPU)


@cache
def adapted(method, *, moved=0.0):
    """The model with a fresh adapter, or with one that was moved by noise of this size."""
    model, config, params = base()
    tensors = {} if method == "output-head" else fresh_adapter(model, ADAPTERS[method], seed=0)
    rng = np.random.default_rng(4)
    tensors = {name: array + moved * rng.standard_normal(array.shape) for name, array in tensors.items()}
    return adapt(config, ADAPTERS[method], params, tensors, SHAPE, devices=CPU, fresh=moved == 0.0)
