"""Responses of a model, sampled or greedy, and the exact log-likelihoods of responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float

from tradeoffbounds.models.hidden_states import batches
from tradeoffbounds.models.response_logits import Tokens, inner_model, left_padded, predictions


def sample_responses(
    model: Any,
    tokenizer: Any,
    prefixes: Sequence[Tokens],
    *,
    max_new_tokens: int,
    seed: int,
    on_batch: Callable[[int], None] | None = None,
) -> list[list[int]]:
    """One response a prefix from the model's own distribution (temperature 1, no truncation of the tails).

    A response ends with the end-of-turn token, or is cut after ``max_new_tokens``: the source is then the
    distribution of the first ``max_new_tokens`` tokens, for which likelihoods stay exact.
    """
    import torch

    torch.manual_seed(seed)
    return _generated(
        model, tokenizer, prefixes, max_new_tokens, on_batch, do_sample=True, temperature=1.0, top_k=0, top_p=1.0
    )


def greedy_responses(
    model: Any,
    tokenizer: Any,
    prefixes: Sequence[Tokens],
    *,
    max_new_tokens: int,
    on_batch: Callable[[int], None] | None = None,
) -> list[list[int]]:
    """As `sample_responses`, but always the most likely token (temperature 0).

    A response depends on the others in its batch only where two tokens are equally likely but for rounding, which
    in bfloat16 can happen. The same prefixes in the same order give the same responses.
    """
    return _generated(model, tokenizer, prefixes, max_new_tokens, on_batch, do_sample=False)


def _generated(
    model: Any, tokenizer: Any, prefixes: Sequence[Tokens], max_new_tokens: int,
    on_batch: Callable[[int], None] | None, **decoding: Any,
) -> list[list[int]]:  # fmt: skip
    import torch
    from transformers import GenerationConfig

    inner = inner_model(model)
    end = _end_of_turn(inner, tokenizer)
    config = GenerationConfig(**decoding, max_new_tokens=max_new_tokens, eos_token_id=end, pad_token_id=end[0])
    responses: list[list[int]] = [[] for _ in prefixes]
    with torch.inference_mode(), _generating_by(inner, config):
        for batch in batches([len(prefix) + max_new_tokens for prefix in prefixes]):
            inputs, mask = left_padded(model, [prefixes[i] for i in batch])
            output = inner.generate(**inputs, attention_mask=mask, generation_config=config)
            # What is given as embeddings has no ids to be repeated in the output.
            written = output[:, inputs["input_ids"].shape[1] :] if "input_ids" in inputs else output
            for i, tokens in zip(batch, written.tolist(), strict=True):
                stop = next((t for t, token in enumerate(tokens) if token in end), len(tokens) - 1)
                responses[i] = tokens[: stop + 1]
            if on_batch is not None:
                on_batch(len(batch))
    return responses


def log_likelihoods(
    model: Any,
    prefixes: Sequence[Tokens],
    responses: Sequence[Tokens],
    *,
    on_batch: Callable[[int], None] | None = None,
) -> Float[np.ndarray, " n"]:
    """log P(response | prefix) in nats, summed over the response's tokens, logits in float32."""
    import torch

    result = np.zeros(len(prefixes))
    with torch.inference_mode():
        for i, logits in predictions(model, prefixes, responses):
            target = torch.tensor(list(responses[i]), device=logits.device)
            result[i] = logits.log_softmax(dim=-1).gather(1, target[:, None]).double().sum().item()
            if on_batch is not None:
                on_batch(1)
    return result


@contextmanager
def _generating_by(model: Any, config: Any) -> Iterator[None]:
    # `generate` completes the configuration it is given from the model's, which may carry a repetition penalty.
    own, model.generation_config = model.generation_config, config
    try:
        yield
    finally:
        model.generation_config = own


def _end_of_turn(model: Any, tokenizer: Any) -> list[int]:
    end = model.generation_config.eos_token_id
    if end is None:
        end = tokenizer.eos_token_id
    return list(end) if isinstance(end, list | tuple) else [end]
