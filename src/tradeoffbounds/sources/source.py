"""A source: prompts with their responses, cleaned, and identified by a hash of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tradeoffbounds.errors import UserError

Origin = Literal["local", "hub", "bundled", "model"]


@dataclass(frozen=True, slots=True)
class Row:
    """One turn: what the user says and what the assistant answers."""

    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class Source:
    """Rows for one role of an estimate, with what is needed to name them in a result.

    `sha256` covers the ordered (prompt, response) pairs and nothing else, so the same rows have the
    same hash whatever file or hub they came from. `dropped` counts rows left out by `deduplicate`.
    `sampled_from` is the number of rows that `sample` drew these from, None where they are all.
    `limited_to` is set where no more than the first so many rows of the data set were read.
    `stand_in_for` is the data set that was asked for when bundled rows take its place, else None.
    """

    name: str
    origin: Origin
    rows: tuple[Row, ...]
    sha256: str
    dropped: Mapping[str, int]
    stand_in_for: str | None = None
    sampled_from: int | None = None
    limited_to: int | None = None

    @classmethod
    def from_rows(cls, name: str, origin: Origin, rows: Iterable[Row], *, stand_in_for: str | None = None) -> Source:
        """A source of the distinct, non-empty ones among `rows`, in the order given."""
        kept, dropped = deduplicate(rows)
        return cls(name, origin, kept, content_sha256(kept), dropped, stand_in_for)

    def sample(self, n: int, seed: int) -> Source:
        """At most `n` rows, drawn without replacement and kept in file order.

        The draw depends on `seed` and the number of rows alone. With `n` at or above that number the
        source itself is returned: the caller reads `len(source.rows)`, never its own request.

        Raises:
            UserError: `n` is below 1.
        """
        if n < 1:
            raise UserError(f"cannot sample {n} rows of {self.name}: ask for at least 1")
        if n >= len(self.rows):
            return self
        import numpy as np  # takes longer to import than this whole package

        chosen = np.sort(np.random.default_rng(seed).choice(len(self.rows), size=n, replace=False))
        rows = tuple(self.rows[i] for i in chosen)
        return replace(self, rows=rows, sha256=content_sha256(rows), sampled_from=self.sampled_from or len(self.rows))

    def describe(self) -> dict[str, Any]:
        """The source as results record it: name, origin, row count and hash, JSON-ready.

        `sampled_from`, `limited_to`, `dropped` and `stand_in_for` appear only where they say something.
        """
        described: dict[str, Any] = {
            "name": self.name,
            "origin": self.origin,
            "rows": len(self.rows),
            "sha256": self.sha256,
        }
        for name in ("sampled_from", "limited_to"):
            if getattr(self, name) is not None:
                described[name] = getattr(self, name)
        if any(self.dropped.values()):
            described["dropped"] = dict(self.dropped)
        if self.stand_in_for is not None:
            described["stand_in_for"] = self.stand_in_for
        return described


def content_sha256(rows: Iterable[Row]) -> str:
    """SHA-256, in hexadecimal, of the ordered (prompt, response) pairs.

    Each pair is hashed as one line of JSON. JSON escapes quotes and line breaks, so no two lists of
    rows share a text.
    """
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.prompt, row.response]).encode("ascii") + b"\n")
    return digest.hexdigest()


def deduplicate(rows: Iterable[Row]) -> tuple[tuple[Row, ...], dict[str, int]]:
    """The rows worth keeping, and counts of the rest by reason.

    A row is a duplicate when its prompt and response equal those of an earlier row once every run of
    whitespace counts as one space; the first one stays, as it was written. The same prompt with
    another response is not a duplicate.
    """
    kept: list[Row] = []
    seen: set[bytes] = set()  # hashes: of a large file the texts themselves would be in memory twice
    dropped = {"duplicates": 0, "empty_prompt": 0, "empty_response": 0}
    for row in rows:
        key = (" ".join(row.prompt.split()), " ".join(row.response.split()))
        if not key[0]:
            dropped["empty_prompt"] += 1
        elif not key[1]:
            dropped["empty_response"] += 1
        elif (known := hashlib.sha256(json.dumps(key).encode("ascii")).digest()) in seen:
            dropped["duplicates"] += 1
        else:
            seen.add(known)
            kept.append(row)
    return tuple(kept), dropped
