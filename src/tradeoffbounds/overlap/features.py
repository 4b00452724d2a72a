"""Sources as classifiers see them: hidden states, words and lengths of every row, cached by content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tradeoffbounds.models import hidden_states, response_scores
from tradeoffbounds.models.load import Placement, load_model, load_tokenizer, model_id
from tradeoffbounds.overlap.classifiers import View
from tradeoffbounds.overlap.domain import Domain, prompt_groups
from tradeoffbounds.runs import atomic_path, cache_dir, content_hash
from tradeoffbounds.sources import Source, check_chat_template, render_all, template_sha256
from tradeoffbounds.sources.chat import Rendered

Array = np.ndarray
#: Called with (what, texts done since the last call, texts in all).
Progress = Callable[[str, int, int], None]


@dataclass
class Reader:
    """The model as a reader of rows. Weights are loaded when something is not in the cache yet.

    Args:
        spec: ``embedded``, a folder or a hub id.
        system_prompt: passed with every row; None for none.
        max_tokens: longer rows are cut.
        full: add the Fisher scores of the responses.
    """

    spec: str
    placement: Placement
    system_prompt: str | None
    max_tokens: int
    full: bool
    progress: Progress

    @cached_property
    def tokenizer(self) -> Any:
        tokenizer = load_tokenizer(self.spec)
        check_chat_template(tokenizer)
        return tokenizer

    @cached_property
    def model(self) -> Any:
        return load_model(self.spec, self.placement)

    def release(self) -> None:
        """Give the weights' memory back; they are loaded again when something needs them."""
        self.__dict__.pop("model", None)

    @cached_property
    def template(self) -> str:
        """Hash of the chat template and the system prompt, which every number depends on."""
        return template_sha256(self.tokenizer, self.system_prompt)

    def read(self, sources: Sequence[Source]) -> tuple[list[Domain], list[int]]:
        """A domain per source, with prompts numbered in common, and how many rows of each were cut."""
        groups = prompt_groups(*([row.prompt for row in source.rows] for source in sources))
        # All of them first: a row that cannot be rendered is refused before any weight is loaded.
        rendered = [
            render_all(self.tokenizer, source.rows, system_prompt=self.system_prompt, max_tokens=self.max_tokens)
            for source in sources
        ]
        domains = [self._domain(*each) for each in zip(sources, rendered, groups, strict=True)]
        return domains, [sum(text.truncated for text in texts) for texts in rendered]

    def _domain(self, source: Source, texts: list[Rendered], groups: Array) -> Domain:
        states = self._cached(
            "states", source, texts, hidden_states.DEPTHS,
            lambda model, on_batch: vars(hidden_states.pooled_states(model, texts, on_batch=on_batch)),
        )  # fmt: skip
        responses = [row.response for row in source.rows]
        pairs: dict[str, View] = {
            "states": states["responses"],
            "words": responses,
            "length": np.log([[len(response), response.count("\n") + 1] for response in responses]),
        }
        if self.full:
            pairs["scores"] = self._cached(
                "scores", source, texts, response_scores.DEPTHS,
                lambda model, on_batch: {"scores": response_scores.response_scores(model, texts, on_batch=on_batch)},
            )["scores"]  # fmt: skip
        prompts: dict[str, View] = {"states": states["prompts"], "words": [row.prompt for row in source.rows]}
        return Domain(prompts, pairs, groups)

    def _cached(
        self,
        what: str,
        source: Source,
        texts: list[Rendered],
        depths: tuple[float, ...],
        compute: Callable[[Any, Callable[[int], None]], dict[str, Array]],
    ) -> dict[str, Array]:
        key = content_hash(
            what, source.sha256, model_id(self.spec), self.template, self.max_tokens, depths,
            self.placement.dtype, self.placement.device,
        )  # fmt: skip
        path = cache_dir() / "features" / f"{key}.npz"
        if not path.is_file():
            arrays = compute(self.model, lambda done: self.progress(f"reading {source.name}", done, len(texts)))
            with atomic_path(path) as temporary:
                np.savez(temporary, allow_pickle=False, **arrays)
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
