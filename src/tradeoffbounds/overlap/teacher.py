"""Sources that are one model under several system prompts: sampled responses with exact likelihoods.

The ground truth of theory section 8: conditionals are known, prompts are shared, so the bracket of the
classifiers can be laid beside the exact value.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tradeoffbounds.models.sampling import log_likelihoods, sample_responses
from tradeoffbounds.overlap.features import Reader
from tradeoffbounds.overlap.likelihood_ratios import Likelihoods
from tradeoffbounds.sources import Row, Source, content_sha256, render


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
    prefixes = {
        text: [
            render(reader.tokenizer, row.prompt, system_prompt=text, max_tokens=reader.max_tokens).ids
            for row in prompts.rows
        ]
        for text in dict.fromkeys(system_prompts.values())
    }
    count = len(prompts.rows)
    sampled = {
        text: sample_responses(
            reader.model, reader.tokenizer, own, max_new_tokens=tokens, seed=seed + i,
            on_batch=lambda done: reader.progress("sampling responses", done, count * len(prefixes)),
        )
        for i, (text, own) in enumerate(prefixes.items())
    }  # fmt: skip
    scored = {
        (author, judge): log_likelihoods(
            reader.model, prefixes[judge], responses,
            on_batch=lambda done: reader.progress("scoring responses", done, count * len(prefixes) ** 2),
        )
        for author, responses in sampled.items()
        for judge in prefixes
    }  # fmt: skip
    judges = [system_prompts[role] for role in ("alignment", "proxy", "capability")]
    likelihoods = Likelihoods(
        **{
            role: np.column_stack([scored[author, judge] for judge in judges])
            for role, author in system_prompts.items()
        }
    )
    sources = {
        role: _source(f"system:{author}", reader, prompts, sampled[author]) for role, author in system_prompts.items()
    }
    return sources, likelihoods


def _source(name: str, reader: Reader, prompts: Source, responses: list[list[int]]) -> Source:
    # Not deduplicated and never dropped: row i must stay beside likelihood i, even where it is empty.
    rows = tuple(
        Row(row.prompt, reader.tokenizer.decode(response, skip_special_tokens=True).strip() or "(no answer)")
        for row, response in zip(prompts.rows, responses, strict=True)
    )
    return Source(name, "model", rows, content_sha256(rows), {})
