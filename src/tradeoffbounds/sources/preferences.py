"""Preference pairs: a source of the chosen responses, and beside it the rejected ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources.columns import to_pairs
from tradeoffbounds.sources.load import Found, Role, check_enough, errors_naming, find_records, limited
from tradeoffbounds.sources.source import Row, Source


def load_preferences(
    spec: str | PathLike[str],
    *,
    role: Role,
    data_dir: str | PathLike[str] | None = None,
    allow_stand_in: bool = True,
    allow_hub: bool = True,
    min_rows: int = 20,
    max_rows: int = 5000,
) -> tuple[Source, dict[tuple[str, str], str]]:
    """The pairs that `spec` names, found as `load_source` finds rows and with the same arguments.

    Left out, and counted in the source's `dropped`: as "no_rejected" the rows whose rejected response
    is missing or blank, as "rejected_equals_chosen" those whose two responses differ in whitespace at
    most. The others are cleaned as `load_source` cleans them; where one chosen response was preferred
    to several, the first of these stays. The chosen response is read even where a column named
    response or completion, which `load_source` takes first, stands beside it.

    Returns:
        The prompts with their chosen responses, and the rejected response of every row by
        (prompt, chosen response).

    Raises:
        UserError: as `load_source`; the data set has no rejected responses, as no stand-in has.
    """
    with errors_naming(role):
        found = find_records(spec, data_dir, allow_stand_in, allow_hub, max_rows)
        if found.stand_in_for is not None:
            raise _no_stand_in(found)
        pairs, dropped = _usable(to_pairs(found.records, found.where, found.registered))
        source = Source.from_rows(found.name, found.origin, (row for row, _ in pairs))
        source = replace(source, dropped={**source.dropped, **dropped})
        check_enough(source, min_rows)
        source = limited(source, found, max_rows)
    # Backwards, so that of several rejected responses the first is what stays.
    rejected = {(row.prompt, row.response): other for row, other in reversed(pairs)}
    return source, {key: rejected[key] for key in ((row.prompt, row.response) for row in source.rows)}


def _usable(pairs: Sequence[tuple[Row, str]]) -> tuple[list[tuple[Row, str]], dict[str, int]]:
    """The pairs that prefer one response to another, and counts of the rest by reason."""
    kept = []
    dropped = {"no_rejected": 0, "rejected_equals_chosen": 0}
    for row, rejected in pairs:
        if not rejected.strip():
            dropped["no_rejected"] += 1
        elif rejected.split() == row.response.split():
            dropped["rejected_equals_chosen"] += 1
        else:
            kept.append((row, rejected))
    return kept, dropped


def _no_stand_in(found: Found) -> UserError:
    return UserError(
        f"{found.stand_in_for} is neither in a data folder nor on a reachable hub, and its stand-in {found.name} has "
        f"no rejected responses; give a data set with columns prompt, chosen, rejected (a file or, with --data-dir, a "
        "folder with one), or use --objective sft"
    )
