"""A source as the classifiers see it: views of its prompts, views of its pairs, and which rows share a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from tradeoffbounds.overlap.classifiers import View, take

Array = np.ndarray


@dataclass(frozen=True)
class Domain:
    """Views of n rows of one source.

    Attributes:
        prompts: views of the prompts alone.
        pairs: views of the responses; the prompt's views are added, since r(x, y) sees both.
        groups: one number a distinct prompt, common to all domains that are compared.
    """

    prompts: Mapping[str, View]
    pairs: Mapping[str, View]
    groups: Int[Array, " n"]

    def __len__(self) -> int:
        return len(self.groups)

    def subset(self, index: Int[Array, " m"]) -> Domain:
        """The rows at ``index``, in that order."""
        return Domain(take(self.prompts, index), take(self.pairs, index), self.groups[index])

    def pair_views(self) -> dict[str, View]:
        """Views of (x, y): those of the response and, under their own names, those of the prompt."""
        return {**{f"prompt {name}": view for name, view in self.prompts.items()}, **self.pairs}


@dataclass(frozen=True)
class Mixed:
    """Several domains stacked into one classification problem."""

    prompts: dict[str, View]
    pairs: dict[str, View]
    labels: Int[Array, " n"]
    groups: Int[Array, " n"]


def mix(domains: Sequence[Domain]) -> Mixed:
    """Rows of all domains, labelled 0..k-1 in the order given."""
    return Mixed(
        prompts=_stack([domain.prompts for domain in domains]),
        pairs=_stack([domain.pair_views() for domain in domains]),
        labels=np.repeat(np.arange(len(domains)), [len(domain) for domain in domains]),
        groups=np.concatenate([domain.groups for domain in domains]),
    )


def prompt_groups(*prompt_lists: Sequence[str]) -> list[Int[Array, " n"]]:
    """One number a distinct prompt (white space folded), the same number in every list."""
    numbers: dict[str, int] = {}
    return [
        np.array([numbers.setdefault(" ".join(prompt.split()), len(numbers)) for prompt in prompts], dtype=np.int64)
        for prompts in prompt_lists
    ]


def shares_prompts(first: Domain, second: Domain) -> bool:
    """Whether both domains ask exactly the same prompts equally often: then D_f = D̂ by design."""
    return np.array_equal(np.sort(first.groups), np.sort(second.groups))


def _stack(views: Sequence[Mapping[str, View]]) -> dict[str, View]:
    def join(parts: list[View]) -> View:
        if all(isinstance(part, np.ndarray) for part in parts):
            return np.concatenate(parts)
        return [text for part in parts for text in part]

    return {name: join([each[name] for each in views]) for name in views[0]}
