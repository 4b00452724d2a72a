"""Hidden states of prompts and responses, pooled to one vector a span, in one pass for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from tradeoffbounds.sources.chat import Rendered

#: Share of the depth at which states are pooled: an early layer knows the words, a late one what they are
#: about; the last is turned towards the next token and tells sources apart less well.
DEPTHS = (0.25, 0.8)
#: Tokens of a batch including padding: bounds the memory of the states of all layers.
TOKENS_PER_BATCH = 4096


@dataclass(frozen=True)
class SpanStates:
    """Mean hidden states over the tokens of a span, one row a text, ``width`` = depths × hidden size."""

    prompts: Float[np.ndarray, "n width"]
    responses: Float[np.ndarray, "n width"]


def pooled_states(
    model: Any, texts: Sequence[Rendered], *, on_batch: Callable[[int], None] | None = None
) -> SpanStates:
    """Run the model once over every text and average its states over the prompt and response spans.

    A causal model sees no response while it reads the prompt, so the prompt's vector is the same as
    without the response. Batches are made of texts of like length, padded on the right under a mask.

    Args:
        model: a transformers causal language model, in evaluation mode.
        on_batch: called with the number of texts done, for progress.
    """
    import torch

    layers = _layers(model)
    width = len(layers) * model.config.get_text_config().hidden_size
    prompts = np.zeros((len(texts), width), dtype=np.float32)
    responses = np.zeros((len(texts), width), dtype=np.float32)
    with torch.inference_mode():
        for batch in batches([len(text.ids) for text in texts]):
            length = max(len(texts[i].ids) for i in batch)
            ids = torch.zeros((len(batch), length), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, i in enumerate(batch):
                ids[row, : len(texts[i].ids)] = torch.tensor(texts[i].ids)
                mask[row, : len(texts[i].ids)] = 1
            # The base model alone: the output head is a third of the work and not needed.
            output = model.base_model(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), output_hidden_states=True
            )
            states = torch.cat([output.hidden_states[layer] for layer in layers], dim=-1).float().cpu().numpy()
            for row, i in enumerate(batch):
                prompts[i] = states[row, slice(*texts[i].prompt_span)].mean(axis=0)
                responses[i] = states[row, slice(*texts[i].response_span)].mean(axis=0)
            if on_batch is not None:
                on_batch(len(batch))
    return SpanStates(prompts, responses)


def _layers(model: Any) -> list[int]:
    depth = model.config.get_text_config().num_hidden_layers
    return sorted({max(1, round(share * depth)) for share in DEPTHS})


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices by rising length, cut where the padded batch would pass the token budget."""
    batch: list[int] = []
    for i in np.argsort(lengths, kind="stable"):
        if batch and (len(batch) + 1) * lengths[i] > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(int(i))
    if batch:
        yield batch
