"""Rows as a trainer takes them: token ids with a response to learn, or a pair of responses to prefer between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradeoffbounds.models.response_logits import pad
from tradeoffbounds.sources import Source, render_all

#: What transformers leaves out of a loss.
IGNORED = -100


@dataclass(frozen=True)
class Text:
    """A prompt and its response as token ids, the template's included; made once, for bounds and training alike."""

    prefix: tuple[int, ...]
    response: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """Two responses to one prompt, the first preferred."""

    prefix: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


def texts_of(tokenizer: Any, source: Source, *, system_prompt: str | None, max_tokens: int) -> tuple[Text, ...]:
    """The rows of a source, written with the model's chat template."""
    rendered = render_all(tokenizer, source.rows, system_prompt=system_prompt, max_tokens=max_tokens)
    return tuple(
        Text(tuple(each.ids[: each.response_span[0]]), tuple(each.ids[slice(*each.response_span)])) for each in rendered
    )


def sft_rows(texts: Sequence[Text]) -> list[dict[str, list[int]]]:
    """Rows whose labels are the response alone."""
    return [
        {"input_ids": [*text.prefix, *text.response], "labels": [IGNORED] * len(text.prefix) + [*text.response]}
        for text in texts
    ]


def collate(rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    """A batch padded on the right: padding on the left would change what virtual tokens do."""
    ids, mask = pad([row["input_ids"] for row in rows], left=False)
    # Shifted by one, so that padding's 0 becomes what is ignored and no token id is lost.
    labels = pad([[label - IGNORED for label in row["labels"]] for row in rows], left=False)[0] + IGNORED
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def dpo_rows(pairs: Sequence[Pair]) -> Any:
    """A data set with the columns of TRL's tokenised preferences."""
    from datasets import Dataset

    return Dataset.from_list(
        [
            {"prompt_ids": [*pair.prefix], "chosen_ids": [*pair.chosen], "rejected_ids": [*pair.rejected]}
            for pair in pairs
        ]
    )


def batch_at(step: int, *, rows: int, batch: int, seed: int) -> list[int]:
    """The rows of one step out of an endless stream of shuffled epochs; a resumed training finds its place by ``step``.

    Args:
        rows: how many there are.
    """
    chosen = []
    for position in range(step * batch, (step + 1) * batch):
        epoch, place = divmod(position, rows)
        chosen.append(int(np.random.default_rng([seed, epoch]).permutation(rows)[place]))
    return chosen
