"""Sources that are one model under several system prompts: sampled responses with exact likelihoods.

The ground truth of theory section 8: conditionals are known, prompts are shared, so the bracket of the
classifiers can be laid beside the exact value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from tradeoffbounds.models.response_logits import Tokens
from tradeoffbounds.models.sampling import log_likelihoods, sample_responses
from tradeoffbounds.overlap.features import Reader
from tradeoffbounds.overlap.likelihood_ratios import Likelihoods
from tradeoffbounds.sources import Row, Source, content_sha256, render


@dataclass(frozen=True)
class Taught:
    """Prompts as each system prompt puts them, and a sampled response to each; keys are the system prompts."""

    prompts: Source
    prefixes: dict[str, list[Tokens]]
    responses: dict[str, list[Tokens]]

    def source(self, system_prompt: str, tokenizer: Any) -> Source:
        """The rows of one author as text."""
        # Not deduplicated and never dropped: row i must stay beside likelihood i, even where it is empty.
        rows = tuple(
            Row(row.prompt, tokenizer.decode(response, skip_special_tokens=True).strip() or "(no answer)")
            for row, response in zip(self.prompts.rows, self.responses[system_prompt], strict=True)
        )
        return Source(f"system:{system_prompt}", "model", rows, content_sha256(rows), {})


def answer(reader: Reader, system_prompts: Iterable[str], prompts: Source, *, tokens: int, seed: int) -> Taught:
    """Sample a response to every prompt under every system prompt, cut after ``tokens`` tokens."""
    prefixes = {text: prompt_tokens(reader, text, prompts) for text in dict.fromkeys(system_prompts)}
    count = len(prompts.rows) * len(prefixes)
    sampled = {
        text: sample_responses(
            reader.model, reader.tokenizer, own, max_new_tokens=tokens, seed=seed + i,
            on_batch=lambda done: reader.progress("sampling responses", done, count),
        )
        for i, (text, own) in enumerate(prefixes.items())
    }  # fmt: skip
    return Taught(prompts, prefixes, {text: list(each) for text, each in sampled.items()})


def prompt_tokens(reader: Reader, system_prompt: str | None, prompts: Source) -> list[Tokens]:
    """Every prompt as the model reads it under a system prompt."""
    return [
        render(reader.tokenizer, row.prompt, system_prompt=system_prompt, max_tokens=reader.max_tokens).ids
        for row in prompts.rows
    ]


def score(
    reader: Reader, taught: Taught, pairs: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Float[np.ndarray, " n"]]:
    """(author, judge) -> log-likelihoods of the author's responses under the judge's system prompt, nats."""
    pairs = list(dict.fromkeys(pairs))
    count = len(taught.prompts.rows) * len(pairs)
    return {
        (author, judge): log_likelihoods(
            reader.model, taught.prefixes[judge], taught.responses[author],
            on_batch=lambda done: reader.progress("scoring responses", done, count),
        )
        for author, judge in pairs
    }  # fmt: skip


def likelihoods_of(
    scored: Mapping[tuple[str, str], Float[np.ndarray, " n"]], system_prompts: Mapping[str, str]
) -> Likelihoods:
    """Log-likelihoods of each role's rows under the three.

    Args:
        system_prompts: role (alignment, proxy, capability) -> system prompt.
    """
    judges = [system_prompts[role] for role in ("alignment", "proxy", "capability")]
    return Likelihoods(
        **{
            role: np.column_stack([scored[author, judge] for judge in judges])
            for role, author in system_prompts.items()
        }
    )


def teach(
    reader: Reader, system_prompts: Mapping[str, str], prompts: Source, *, tokens: int, seed: int
) -> tuple[dict[str, Source], Likelihoods]:
    """Sample a response to every prompt under every system prompt, and score all under all.

    Args:
        system_prompts: role (alignment, proxy, capability) -> system prompt; equal ones share their rows.
        tokens: responses are cut after this many tokens.

    Returns:
        A source per role (origin ``model``) and the log-likelihoods of its rows under the three.
    """
    taught = answer(reader, system_prompts.values(), prompts, tokens=tokens, seed=seed)
    sources = {role: taught.source(author, reader.tokenizer) for role, author in system_prompts.items()}
    pairs = [(author, judge) for author in taught.responses for judge in taught.responses]
    return sources, likelihoods_of(score(reader, taught, pairs), system_prompts)
