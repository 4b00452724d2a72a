"""From what the user typed to a source: a folder of their data, then the hub, then a stand-in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal, get_args

from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.hub_access import HubUnavailable
from tradeoffbounds.sources import hub
from tradeoffbounds.sources.columns import Record, to_rows
from tradeoffbounds.sources.files import SUFFIXES, read_records, stays_inside
from tradeoffbounds.sources.registry import BUNDLED, BUNDLED_PREFIX, Registered, find, source_names, suggest
from tradeoffbounds.sources.source import Origin, Source

Role = Literal["alignment", "proxy", "capability"]

_BUNDLE = Path(__file__).with_name("bundled")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """The records that a spec led to.

    `where` names them in an error, `name`, `origin` and `stand_in_for` in a `Source`. `registered`
    holds the columns they were published with, where those are to be tried first.
    """

    name: str
    origin: Origin
    where: str
    records: Sequence[Record]
    registered: Registered | None = None
    stand_in_for: str | None = None


def load_source(
    spec: str | PathLike[str],
    *,
    role: Role,
    data_dir: str | PathLike[str] | None = None,
    allow_stand_in: bool = True,
    allow_hub: bool = True,
    min_rows: int = 20,
    max_rows: int = 5000,
) -> Source:
    """The rows that `spec` names, cleaned by `deduplicate`.

    Args:
        spec: a registered name (`alpaca`), a stand-in (`bundled:code`), the name of a file in
            `data_dir`, a path to a .jsonl, .json, .csv or .parquet file, or a hub id (`owner/name`).
        role: what the source is for; named in every error.
        data_dir: a folder searched first for `<name>.jsonl`, .json, .csv, .parquet. Where it is given
            it must have the file of a registered name: the hub would be another data set than meant.
        allow_stand_in: whether a registered name that is nowhere to be had becomes its stand-in.
        allow_hub: whether the network may be used at all.
        min_rows: the fewest rows, after cleaning, that are worth an estimate.
        max_rows: the most rows taken from the hub, from the start of its split. A file is read whole.

    Raises:
        UserError: the spec is unknown, belongs to the audit, cannot be read, or has too few rows.
    """
    with errors_naming(role):
        found = find_records(spec, data_dir, allow_stand_in, allow_hub, max_rows)
        rows = to_rows(found.records, found.where, found.registered)
        source = Source.from_rows(found.name, found.origin, rows, stand_in_for=found.stand_in_for)
        check_enough(source, min_rows)
        return limited(source, found, max_rows)


@contextmanager
def errors_naming(role: Role) -> Iterator[None]:
    """Begin every `UserError` inside with the role of the source that was asked for.

    Raises:
        UserError: there is no such role.
    """
    if role not in get_args(Role):
        raise UserError(f"unknown role {role!r}; expected one of: {', '.join(get_args(Role))}")
    try:
        yield
    except UserError as error:
        raise UserError(f"{role} source: {error}") from error


@contextmanager
def looking_for(name: str) -> Iterator[None]:
    """Turn the file system's refusal to look for a name into one line.

    Raises:
        UserError: the name is too long for it, or in a folder that may not be looked into.
    """
    try:
        yield
    except OSError as error:
        shown = name if len(name) <= 80 else f"{name[:77]}..."
        raise UserError(f"{shown}: cannot be looked for: {error.strerror or error}; give a name or a path") from error


def limited(source: Source, found: Found, max_rows: int) -> Source:
    """The source, saying so where the hub may have more rows of it than were read."""
    more = found.origin == "hub" and len(found.records) >= max_rows
    return replace(source, limited_to=max_rows) if more else source


def check_enough(source: Source, min_rows: int) -> None:
    """Refuse a source of fewer than `min_rows` rows, saying what became of the others.

    Raises:
        UserError: there are fewer.
    """
    if len(source.rows) < min_rows:
        dropped = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in source.dropped.items())
        raise UserError(
            f"{source.name} has {len(source.rows)} usable rows (dropped: {dropped}); at least {min_rows} are needed"
        )


def find_records(
    spec: str | PathLike[str],
    data_dir: str | PathLike[str] | None,
    allow_stand_in: bool,
    allow_hub: bool,
    max_rows: int,
) -> Found:
    """The records that `spec` names, their columns not looked at yet; arguments as in `load_source`.

    Raises:
        UserError: the spec is unknown, belongs to the audit, or cannot be read.
    """
    name = str(spec)
    with looking_for(name):
        return _find(spec, name, data_dir, allow_stand_in, allow_hub, max_rows)


def _find(
    spec: str | PathLike[str],
    name: str,
    data_dir: str | PathLike[str] | None,
    allow_stand_in: bool,
    allow_hub: bool,
    max_rows: int,
) -> Found:
    folder = None if data_dir is None else Path(data_dir)
    if folder is not None and not folder.is_dir():
        raise UserError(f"data folder {folder}: " + ("not a folder" if folder.exists() else "no such folder"))
    if name.startswith(BUNDLED_PREFIX):
        return _from_bundle(name.removeprefix(BUNDLED_PREFIX))
    entry = find(name)
    if entry is not None and entry.role == "evaluation":
        raise UserError(
            f"{name} has prompts to judge a model by and no responses to train on; it belongs to "
            f"`python -m tradeoffbounds.audit`; choose one of: {', '.join(source_names())}"
        )
    if entry is not None and entry.name == name:
        return _from_registered(entry, folder, allow_stand_in, allow_hub, max_rows)
    local = _in_folder(folder, name)
    if local is not None:
        return _from_file(local, name)
    path = expanded(name)
    if path.exists() or path.suffix.lower() in SUFFIXES or isinstance(spec, PathLike):
        return _from_file(path, path.name)
    if _HUB_ID.fullmatch(name):
        return _from_hub_id(name, entry, allow_hub, max_rows)
    raise UserError(_unknown(name))


def expanded(name: str) -> Path:
    """The path, `~` and `~USER` as their home folders.

    Raises:
        UserError: there is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(f"{name}: {first_line(error)}; write the path in full") from error


def _from_registered(
    entry: Registered, folder: Path | None, allow_stand_in: bool, allow_hub: bool, max_rows: int
) -> Found:
    if folder is not None:
        local = _in_folder(folder, entry.name)
        if local is None:
            has = [name for name in source_names() if _in_folder(folder, name)]
            raise UserError(
                f"data folder {folder} has no {entry.name} ({', '.join(entry.name + s for s in SUFFIXES)}); "
                f"registered names it has: {', '.join(has) or 'none'}"
            )
        return _from_file(local, entry.name, entry)
    try:
        return _from_hub(entry.name, entry, allow_hub, max_rows)
    except HubUnavailable as unavailable:
        if allow_stand_in and entry.stand_in is not None:
            return _from_bundle(entry.stand_in, stand_in_for=entry.name)
        raise UserError(
            f"{entry.name} is not to be had: no data folder was given; {unavailable}; stand-ins are not "
            f"allowed; put {entry.name}.jsonl into a folder and give it with --data-dir"
        ) from unavailable


def _from_hub_id(name: str, entry: Registered | None, allow_hub: bool, max_rows: int) -> Found:
    try:
        return _from_hub(name, entry, allow_hub, max_rows)
    except HubUnavailable as unavailable:
        raise UserError(
            f"hub data set {name}: {unavailable}; give a local file instead, or check the id and the network"
        ) from unavailable


def _from_hub(name: str, entry: Registered | None, allow_hub: bool, max_rows: int) -> Found:
    if not allow_hub:
        raise HubUnavailable("the hub is not allowed")
    if entry is None:
        records = hub.stream(name, max_rows=max_rows)
    elif entry.hub is None:
        raise HubUnavailable("it is not on the hub")
    else:
        records = hub.stream(
            entry.hub, config=entry.hub_config, file=entry.hub_file, split=entry.split, max_rows=max_rows
        )
    return Found(name, "hub", f"hub data set {name}", records, entry)


def _from_file(path: Path, name: str, entry: Registered | None = None) -> Found:
    return Found(name, "local", str(path), read_records(path), entry)


def _from_bundle(name: str, *, stand_in_for: str | None = None) -> Found:
    if name not in BUNDLED:
        raise UserError(_unknown(BUNDLED_PREFIX + name))
    records = read_records(_BUNDLE / f"{name}.jsonl")
    name = BUNDLED_PREFIX + name
    return Found(name, "bundled", name, records, stand_in_for=stand_in_for)


def _in_folder(folder: Path | None, name: str) -> Path | None:
    if folder is None or not stays_inside(name):
        return None
    return next((path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()), None)


def _unknown(name: str) -> str:
    near = suggest(name)
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    return (
        f"unknown data set {name!r}{meant} Registered: {', '.join(source_names())}. "
        f"A path to a {', '.join(SUFFIXES)} file or a hub id (owner/name) works too."
    )
