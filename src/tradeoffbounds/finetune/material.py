"""The rows of one source for a sweep: split, tokenised once, and stored under the hash of their content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.rows import Pair, Text
from tradeoffbounds.runs import atomic_path, cache_dir, content_hash, read_json
from tradeoffbounds.sources import Row, Source, content_sha256

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Material:
    """Tokenised rows by split.

    Attributes:
        author: where the source is a model, the test rows' prompts as that model reads them.
        pairs: preferences to train on, for DPO; ``train`` then holds the preferred responses.
    """

    name: str
    train: tuple[Text, ...]
    validation: tuple[Text, ...]
    test: tuple[Text, ...]
    author: tuple[tuple[int, ...], ...] | None = None
    pairs: tuple[Pair, ...] = ()
    validation_pairs: tuple[Pair, ...] = ()

    def store(self) -> str:
        """Write the rows where runs look for them, unless they are there; their address."""
        record = asdict(self)
        address = content_hash(record)[:16]
        path = _path(address)
        if not path.is_file():
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(record), encoding="utf-8")
        return address

    @classmethod
    def load(cls, address: str) -> Material:
        """What :meth:`store` wrote.

        Raises:
            UserError: it is not there, or not what was written.
        """
        path = _path(address)
        if not path.is_file():
            raise UserError(f"rows {address} are not in {path.parent}; workers must share TRADEOFFBOUNDS_CACHE")
        record = read_json(path)
        if content_hash(record)[:16] != address:
            raise UserError(f"{path}: is damaged: not the rows that were written; remove it, and it is made again")
        read: dict[str, Any] = {split: _tuples(Text, record[split]) for split in SPLITS}
        pairs = {name: _tuples(Pair, record[name]) for name in ("pairs", "validation_pairs")}
        author = None if record["author"] is None else tuple(tuple(ids) for ids in record["author"])
        return cls(record["name"], **read, **pairs, author=author)


def split_rows(source: Source, sizes: Sequence[int], seed: int) -> list[Source]:
    """Disjoint parts of a source, of at most these many rows, in random order; no prompt is in two parts.

    Raises:
        UserError: a part would be empty.
    """
    by_prompt: dict[str, list[Row]] = {}
    for row in source.rows:
        by_prompt.setdefault(" ".join(row.prompt.split()), []).append(row)
    prompts = list(by_prompt.values())
    order = iter(np.random.default_rng(seed).permutation(len(prompts)))
    parts = []
    # The smaller parts first: they are what is measured on, and training takes what is left.
    for size in sizes:
        rows: list[Row] = []
        while len(rows) < size and (which := next(order, None)) is not None:
            rows.extend(prompts[which])
        rows = rows[:size]
        if size and not rows:
            raise UserError(
                f"{source.name}: {len(source.rows)} rows of {len(prompts)} prompts are too few for parts of "
                f"{', '.join(map(str, sizes))}; ask for fewer"
            )
        parts.append(Source(source.name, source.origin, tuple(rows), content_sha256(rows), {}, source.stand_in_for))
    return parts


def _path(address: str) -> Path:
    return cache_dir() / "rows" / f"{address}.json"


def _tuples(kind: type[Any], records: list[dict[str, list[int]]]) -> tuple[Any, ...]:
    return tuple(kind(**{name: tuple(ids) for name, ids in record.items()}) for record in records)
