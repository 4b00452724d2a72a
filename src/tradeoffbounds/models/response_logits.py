"""Logits at the positions that predict responses, for a model with or without a PEFT adapter.

Virtual tokens stand right before the text, whatever the padding. PEFT itself puts them before padding on the left,
which changes what they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tradeoffbounds.models.hidden_states import batches

Tokens = Sequence[int]
#: Prefixes, each with the responses that may follow it.
Question = Sequence[tuple[Tokens, Sequence[Tokens]]]


def predictions(model: Any, prefixes: Sequence[Tokens], responses: Sequence[Tokens]) -> Iterator[tuple[int, Any]]:
    """Which row, and the logits (response tokens, vocabulary), float32, that predict its response.

    Rows come by rising length. They are padded on the right, where padding changes nothing for a causal model.
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


def choice_predictions(model: Any, questions: Sequence[Question]) -> Iterator[tuple[int, list[Any]]]:
    """Which question, and what `predictions` gives for each of its responses, prefix after prefix.

    What the prefixes of a question begin with in common is read once, and so is each prefix for all of its responses.

    Args:
        model: its layers must be attention alone, so that what was read can be cached.
        questions: the prefixes of one must begin with the same token, and no response may be empty.
    """
    import torch

    for batch in batches([_tokens_held(question) for question in questions]):
        stems = [_common_start([prefix for prefix, _ in questions[i]]) for i in batch]
        branches = [(row, *each) for row, i in enumerate(batch) for each in questions[i]]
        ends = [prefix[len(stems[row]) :] for row, prefix, _ in branches]
        reading = _Reading(model, stems)
        first = min(map(len, ends)) - 1
        logits = reading.on([row for row, _, _ in branches], ends, first=first)
        after = [logits[branch, len(end) - 1 - first] for branch, end in enumerate(ends)]

        leaves = [(branch, response) for branch, (_, _, responses) in enumerate(branches) for response in responses]
        # A response's last token predicts nothing that is asked for.
        longer = [(branch, response[:-1]) for branch, response in leaves if len(response) > 1]
        rows, texts = [branch for branch, _ in longer], [text for _, text in longer]
        within = iter(reading.on(rows, texts, first=0) if longer else ())
        found: list[list[Any]] = [[] for _ in batch]
        for branch, response in leaves:
            parts = [after[branch][None]]
            if len(response) > 1:
                parts.append(next(within)[: len(response) - 1])
            found[branches[branch][0]].append(torch.cat(parts).float())
        yield from zip(batch, found, strict=True)


def _tokens_held(question: Question) -> int:
    """In the cache, when the responses are read: each of them holds its prefix too."""
    longest = [max(map(len, responses)) for _, responses in question]
    return sum(
        (len(prefix) + more) * (len(responses) if more > 1 else 1)
        for (prefix, responses), more in zip(question, longest, strict=True)
    )


def _common_start(prefixes: Sequence[Tokens]) -> Tokens:
    """What all begin with, short of the whole of any: its last token is to be read on."""
    length = min(map(len, prefixes)) - 1
    while any(prefix[:length] != prefixes[0][:length] for prefix in prefixes):
        length -= 1
    if length < 1:
        raise ValueError("the prefixes of a question must begin with the same token, and go on after it")
    return prefixes[0][:length]


class _Reading:
    """Rows that a model has read; each can be read on in several ways."""

    def __init__(self, model: Any, texts: Sequence[Tokens]) -> None:
        self._model = inner_model(model)
        inputs, self._mask = left_padded(model, texts)
        self._cache = self._model(
            **inputs, attention_mask=self._mask, position_ids=_positions(self._mask), use_cache=True, logits_to_keep=1
        ).past_key_values

    def on(self, rows: Sequence[int], texts: Sequence[Tokens], *, first: int) -> Any:
        """Logits after each text's tokens from ``first`` on; what was read is from now on ``rows`` and these texts."""
        import torch

        ids, mask = (each.to(self._mask.device) for each in pad(texts, left=False))
        chosen = torch.tensor(rows, device=ids.device)
        self._cache.batch_select_indices(chosen)
        self._mask = torch.cat([self._mask[chosen], mask], dim=1)
        width = ids.shape[1]
        return self._model(
            input_ids=ids, attention_mask=self._mask, position_ids=_positions(self._mask)[:, -width:],
            past_key_values=self._cache, use_cache=True, logits_to_keep=torch.arange(first, width, device=ids.device),
        ).logits  # fmt: skip


def _positions(mask: Any) -> Any:
    return (mask.cumsum(dim=1) - 1).clamp(min=0)


def left_padded(model: Any, prefixes: Sequence[Tokens]) -> tuple[dict[str, Any], Any]:
    """``input_ids`` or ``inputs_embeds`` for `inner_model`, and their mask: [padding][virtual tokens][text]."""
    import torch

    ids, mask = (each.to(model.device) for each in pad(prefixes, left=True))
    if active_prompt(model) is None:
        return {"input_ids": ids}, mask
    words = model.word_embeddings(ids)
    virtual = model.get_prompt(batch_size=len(ids)).to(words.dtype)
    borders = ids.shape[1] - mask.sum(dim=1)
    rows = [
        torch.cat([text[:start], own, text[start:]])
        for text, own, start in zip(words, virtual, borders.tolist(), strict=True)
    ]
    places = torch.arange(ids.shape[1] + virtual.shape[1], device=ids.device)
    return {"inputs_embeds": torch.stack(rows)}, (places >= borders[:, None]).to(mask.dtype)


def inner_model(model: Any) -> Any:
    """The transformers model itself. LoRA and IA3 are in its layers, on or off as they are; virtual tokens are not."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


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
