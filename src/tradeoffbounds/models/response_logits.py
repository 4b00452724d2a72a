"""Logits at the positions that predict responses, for a model with or without a PEFT adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tradeoffbounds.models.hidden_states import batches

Tokens = Sequence[int]


def predictions(model: Any, prefixes: Sequence[Tokens], responses: Sequence[Tokens]) -> Iterator[tuple[int, Any]]:
    """Which row, and the logits (response tokens, vocabulary), float32, that predict its response.

    Rows come by rising length. They are padded on the right, where padding changes nothing for a causal model; PEFT
    itself puts virtual tokens before padding on the left, which changes what they do.
    """
    import torch

    texts = [[*prefix, *response] for prefix, response in zip(prefixes, responses, strict=True)]
    for batch in batches([len(text) for text in texts]):
        ids, mask = (each.to(model.device) for each in pad([texts[i] for i in batch], left=False))
        # Logits from before the first response token on; earlier ones would be thrown away.
        first = min(len(prefixes[i]) for i in batch) - 1
        logits = _forward(model, ids, mask, torch.arange(first, ids.shape[1], device=model.device))
        for row, i in enumerate(batch):
            start = len(prefixes[i]) - 1 - first
            yield i, logits[row, start : start + len(responses[i])].float()


def _forward(model: Any, ids: Any, mask: Any, kept: Any) -> Any:
    import torch

    if active_prompt(model) is None:
        return model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits
    # As PEFT's own forward does, but with positions counted from the text's first token.
    virtual = model.get_prompt(batch_size=len(ids))
    words = model.word_embeddings(ids)
    embeddings = torch.cat([virtual.to(words.dtype), words], dim=1)
    mask = torch.cat([mask.new_ones(virtual.shape[:2]), mask], dim=1)
    return model.base_model(
        inputs_embeds=embeddings, attention_mask=mask, logits_to_keep=kept + virtual.shape[1]
    ).logits  # fmt: skip


def active_prompt(model: Any) -> Any:
    """PEFT's configuration of the virtual tokens in front of the text; None where there are none, or they are off."""
    config = getattr(model, "active_peft_config", None)
    if config is None or not config.is_prompt_learning or not model.has_active_enabled_adapter:
        return None
    return config


def pad(texts: Sequence[Tokens], *, left: bool) -> tuple[Any, Any]:
    """Token ids and attention mask, both (batch, longest). The mask hides the padding, whatever its id."""
    import torch

    length = max(map(len, texts))
    ids = torch.zeros((len(texts), length), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        span = slice(length - len(text), length) if left else slice(0, len(text))
        ids[row, span] = torch.tensor(list(text))
        mask[row, span] = 1
    return ids, mask
