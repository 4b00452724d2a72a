"""What the decoder must agree with: random models under transformers and PEFT, and torch's own derivatives.

Texts go through torch one by one, the loss is written out a second time, and second derivatives are torch's double
backward, for which attention must be the eager one.
"""

from __future__ import annotations

import copy
import warnings

import numpy as np
import peft
import torch

from tradeoffbounds.models.adapter_config import LINEARS, AdapterConfig
from tradeoffbounds.models.fresh_adapter import peft_config
from tradeoffbounds.sources.chat import Rendered

from .test_weights import tiny

#: Family -> class of transformers, what is special about it, and with what the special would be gone.
MODELS = {
    "Llama-2 linear": (
        "Llama",
        {
            "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0},
            "max_position_embeddings": 16, "attention_bias": True, "mlp_bias": True,
        },
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}},
    ),
    "Llama-2 dynamic": (
        "Llama",
        {
            "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0},
            "max_position_embeddings": 16, "num_hidden_layers": 3,
        },
        {"max_position_embeddings": 64},
    ),
    "Llama-3": (
        "Llama",
        {
            "rope_parameters": {
                "rope_type": "llama3", "factor": 8.0, "rope_theta": 10_000.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 128,
            },
            "max_position_embeddings": 1024,
        },
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}},
    ),
    "Qwen2.5 tied": ("Qwen2", {"tie_word_embeddings": True, "rms_norm_eps": 0.1}, {"rms_norm_eps": 1e-6}),
    "Qwen2.5 untied": (
        "Qwen2",
        {"tie_word_embeddings": False, "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}},
    ),
    "Mistral": ("Mistral", {"sliding_window": 6, "num_hidden_layers": 3}, {"sliding_window": None}),
    "Gemma": ("Gemma", {"num_key_value_heads": 1}, {"hidden_act": "silu"}),
}  # fmt: skip

#: All linear layers are adapted; LoRA is rank-stabilised; P-tuning's encoder is narrower than the model.
ADAPTERS = {
    "lora": AdapterConfig("lora", targets=LINEARS, rank=4, alpha=6.0, scale=3.0),
    "ia3": AdapterConfig("ia3", targets=LINEARS, feedforward=("o_proj", "down_proj")),
    "prompt-tuning": AdapterConfig("prompt-tuning", virtual_tokens=3),
    "p-tuning": AdapterConfig("p-tuning", virtual_tokens=3, encoder_hidden=24),
}


def text(length, first, last, seed=0):
    """Random tokens, the response at positions ``first`` to ``last`` - 1."""
    ids = np.random.default_rng((seed, length)).integers(1, 96, length).tolist()
    return Rendered(ids, (0, first), (first, last), truncated=False)


#: Of different lengths; with responses of one token, from the second token on, and with text behind them.
TEXTS = [text(9, 4, 9), text(23, 15, 20), text(16, 5, 16), text(12, 11, 12), text(14, 1, 9)]


def random_model(name, **changes):
    """A model of a family, its norms random too."""
    family, special, _ = MODELS[name]
    model = tiny(family, attn_implementation="eager", **special | changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            if weight_name.endswith("norm.weight"):
                weight += 0.3 * torch.randn(weight.shape, generator=generator)
    model.config.use_cache = False
    return model.requires_grad_(False)


def adapted_by_peft(model, adapter, *, moved=True):
    """PEFT's model around a copy, its adapter away from where it starts."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT's use of transformers
        torch.manual_seed(2)
        adapted = peft.get_peft_model(copy.deepcopy(model), peft_config(adapter)).eval()
        with torch.no_grad():
            for weight in trained(adapted).values():
                weight += 0.2 * moved * torch.randn_like(weight)
    return adapted


def with_output_head(model):
    """A copy whose head alone is trained: the base's head and ours beside it move as one."""
    adapted = copy.deepcopy(model)
    adapted.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    return adapted


def trained(adapted):
    """The parameters that are trained, under the names of `fresh_adapter`."""
    only_rows = "PROMPT_TUNING" in {config.peft_type for config in getattr(adapted, "peft_config", {}).values()}
    return {
        "prompt_embeddings" if only_rows else name.replace(".default", ""): weight
        for name, weight in adapted.named_parameters()
        if weight.requires_grad
    }


def arrays(adapted):
    """The same as numpy arrays."""
    return {name: weight.detach().numpy().copy() for name, weight in trained(adapted).items()}


def logits(model, ids, padded_to=0):
    """Scores of the token after each of ``ids``, none for virtual tokens; pads stand on the right."""
    padded = torch.tensor([ids + [0] * (padded_to - len(ids))])
    return model(input_ids=padded).logits[0, -padded.shape[1] :][: len(ids)]


def row_loss(model, text, padded_to=0):
    """-log P(response), nats."""
    first, last = text.response_span
    log_probabilities = logits(model, text.ids, padded_to)[first - 1 : last - 1].log_softmax(-1)
    return -log_probabilities.gather(-1, torch.tensor(text.ids[first:last])[:, None]).sum()


def derivatives(adapted, texts, vectors, padded_to=0):
    """Mean loss, its gradient, and its Hessian times the vectors, by the names of `trained`."""
    parameters = trained(adapted)
    loss = sum(row_loss(adapted, text, padded_to) for text in texts) / len(texts)
    gradient = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
    slope = sum((g * torch.from_numpy(vectors[name])).sum() for name, g in zip(parameters, gradient, strict=True))
    product = torch.autograd.grad(slope, list(parameters.values()))
    named = [
        dict(zip(parameters, (tensor.detach().numpy() for tensor in tensors), strict=True))
        for tensors in (gradient, product)
    ]
    return float(loss.detach()), *named
