"""From a sweep's sources to rows: data sets split and tokenised, or one model under system prompts, sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tradeoffbounds.finetune.material import Material, split_rows
from tradeoffbounds.finetune.rows import Pair, Text, texts_of
from tradeoffbounds.models.load import model_id
from tradeoffbounds.models.response_logits import Tokens
from tradeoffbounds.overlap.features import Reader
from tradeoffbounds.overlap.likelihood_ratios import Likelihoods
from tradeoffbounds.overlap.teacher import Taught, answer, likelihoods_of, prompt_tokens, score
from tradeoffbounds.runs import atomic_path, cache_dir, content_hash
from tradeoffbounds.sources import Row, Source

#: (author, judge) -> log-likelihoods of the author's test responses under the judge's system prompt, nats.
Scored = dict[tuple[str, str], np.ndarray]
#: (prompt, chosen response) -> rejected response.
Rejected = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Sizes:
    """Rows of each source by what they are for."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Gathered:
    """Everything that runs and predictions are made from, by label (``alignment``, ``proxy: NAME``, ...).

    Attributes:
        sources: the training rows as text, for the predictions.
        addresses: of the material, as runs name it.
        scored: where the sources are models, their likelihoods on the test rows; else empty.
        authors: where the sources are models, their system prompts; else empty.
    """

    sources: dict[str, Source]
    material: dict[str, Material]
    addresses: dict[str, str]
    scored: Scored
    authors: dict[str, str]

    @property
    def is_teacher(self) -> bool:
        """Whether the sources are one model under system prompts, so that gaps are exact."""
        return bool(self.scored)

    def likelihoods(self, labels: Mapping[str, str]) -> Likelihoods | None:
        """Of the test rows of three sources; None where they are no models.

        Args:
            labels: role (alignment, proxy, capability) -> label.
        """
        if not self.is_teacher:
            return None
        return likelihoods_of(self.scored, {role: self.authors[label] for role, label in labels.items()})

    def describe(self) -> dict[str, dict[str, Any]]:
        """The sources as results record them."""
        return {
            label: source.describe()
            | {split: len(getattr(self.material[label], split)) for split in ("train", "validation", "test")}
            for label, source in self.sources.items()
        }


def from_data(
    sources: Mapping[str, Source], reader: Reader, sizes: Sizes, seed: int, rejected: Mapping[str, Rejected]
) -> Gathered:
    """Split and tokenise data sets.

    Args:
        sources: by label, with all their rows.
        rejected: by label, where the source is one of preferences, for DPO.
    """
    parts: dict[str, Source] = {}
    material: dict[str, Material] = {}
    for label, source in sources.items():
        # What is measured on comes first; training takes what is left.
        test, validation, train = split_rows(source, (sizes.test, sizes.validation, sizes.train), seed)
        texts: dict[str, Any] = {
            split: _texts(reader, each)
            for split, each in (("train", train), ("validation", validation), ("test", test))
        }
        others = rejected.get(label)
        material[label] = Material(
            source.name,
            **texts,
            pairs=_pairs(reader, train, others),
            validation_pairs=_pairs(reader, validation, others),
        )
        parts[label] = train
    return Gathered(parts, material, _stored(material), {}, {})


def from_system_prompts(
    system_prompts: Mapping[str, str], prompts: Source, reader: Reader, exact: Reader, sizes: Sizes, tokens: int,
    seed: int,
) -> Gathered:  # fmt: skip
    """Sample every source from the model itself; all sources answer the same prompts.

    For DPO the capability source's responses are preferred to the alignment source's.

    Args:
        system_prompts: by label.
        exact: reads the same model in float32: what is measured must be drawn from the very distributions of the KLs.
        tokens: responses are cut after this many, so that the sources are distributions of as many tokens.
    """
    test, validation, train = split_rows(prompts, (sizes.test, sizes.validation, sizes.train), seed)
    taught = {
        split: _answers(
            exact if split == "test" else reader, system_prompts.values(), each, tokens, seed + 1000 * which
        )
        for which, (split, each) in enumerate((("train", train), ("validation", validation), ("test", test)))
    }
    read = {split: prompt_tokens(reader, reader.system_prompt, each.prompts) for split, each in taught.items()}
    aligned = system_prompts["alignment"]
    material = {}
    for label, author in system_prompts.items():
        texts: dict[str, Any] = {
            split: _answered(read[split], each.responses[author]) for split, each in taught.items()
        }
        pairs = {
            split: tuple(
                Pair(tuple(prompt), tuple(chosen), tuple(rejected))
                for prompt, chosen, rejected in zip(
                    read[split], taught[split].responses[author], taught[split].responses[aligned], strict=True
                )
            )
            for split in ("train", "validation")
        }
        material[label] = Material(
            label.partition(": ")[2] or label, **texts,
            author=tuple(tuple(prefix) for prefix in taught["test"].prefixes[author]),
            pairs=pairs["train"], validation_pairs=pairs["validation"],
        )  # fmt: skip
    sources = {
        label: replace(taught["train"].source(author, reader.tokenizer), name=material[label].name)
        for label, author in system_prompts.items()
    }
    return Gathered(
        sources,
        material,
        _stored(material),
        _scores(exact, taught["test"], _asked(system_prompts)),
        dict(system_prompts),
    )


def _texts(reader: Reader, source: Source) -> tuple[Text, ...]:
    return texts_of(reader.tokenizer, source, system_prompt=reader.system_prompt, max_tokens=reader.max_tokens)


def _pairs(reader: Reader, source: Source, rejected: Rejected | None) -> tuple[Pair, ...]:
    if rejected is None:
        return ()
    others = tuple(Row(row.prompt, rejected[row.prompt, row.response]) for row in source.rows)
    return tuple(
        # Where the longer response took tokens from the prompt, the shorter prompt is asked of both.
        Pair(min(own.prefix, other.prefix, key=len), own.response, other.response)
        for own, other in zip(_texts(reader, source), _texts(reader, replace(source, rows=others)), strict=True)
    )


def _answered(prefixes: Sequence[Tokens], responses: Sequence[Tokens]) -> tuple[Text, ...]:
    return tuple(Text(tuple(prefix), tuple(response)) for prefix, response in zip(prefixes, responses, strict=True))


def _stored(material: Mapping[str, Material]) -> dict[str, str]:
    return {label: each.store() for label, each in material.items()}


def _answers(reader: Reader, authors: Any, prompts: Source, tokens: int, seed: int) -> Taught:
    """Sampled responses, from the cache where they were sampled before: a resumed sweep asks for them again."""
    authors = list(dict.fromkeys(authors))
    key = content_hash(
        "answers", authors, prompts.sha256, model_id(reader.spec), reader.template, reader.max_tokens, tokens, seed,
        reader.placement.device, reader.placement.dtype,
    )  # fmt: skip
    path = cache_dir() / "answers" / f"{key}.npz"
    prefixes = {author: prompt_tokens(reader, author, prompts) for author in authors}
    if not path.is_file():
        taught = answer(reader, authors, prompts, tokens=tokens, seed=seed)
        with atomic_path(path) as temporary:
            np.savez(
                temporary, allow_pickle=False,
                **{str(i): _rectangle(taught.responses[author], tokens) for i, author in enumerate(authors)},
            )  # fmt: skip
    with np.load(path, allow_pickle=False) as stored:
        responses = {
            author: [[int(token) for token in row if token >= 0] for row in stored[str(i)]]
            for i, author in enumerate(authors)
        }
    return Taught(prompts, prefixes, responses)  # type: ignore[arg-type]


def _rectangle(rows: Sequence[Tokens], width: int) -> np.ndarray:
    filled = np.full((len(rows), width), -1, np.int64)
    for i, row in enumerate(rows):
        filled[i, : len(row)] = row
    return filled


def _asked(system_prompts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Author and judge of every likelihood that some triple of sources asks for: capabilities never judge another."""
    return [
        (author, judge)
        for label, author in system_prompts.items()
        for other, judge in system_prompts.items()
        if label == other or not (label.startswith("capability") and other.startswith("capability"))
    ]


def _scores(reader: Reader, taught: Taught, pairs: list[tuple[str, str]]) -> Scored:
    key = content_hash(
        "scores", {author: [list(row) for row in rows] for author, rows in taught.responses.items()},
        taught.prompts.sha256, model_id(reader.spec), reader.template, reader.placement.dtype, pairs,
    )  # fmt: skip
    path = cache_dir() / "answers" / f"{key}.npz"
    if not path.is_file():
        scored = score(reader, taught, pairs)
        with atomic_path(path) as temporary:
            np.savez(temporary, allow_pickle=False, **{str(i): scored[pair] for i, pair in enumerate(pairs)})
    with np.load(path, allow_pickle=False) as stored:
        return {pair: stored[str(i)] for i, pair in enumerate(pairs)}
