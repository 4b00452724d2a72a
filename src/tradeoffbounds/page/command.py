"""The command that makes a record again, from the options that the record keeps."""

from __future__ import annotations

import shlex
from dataclasses import MISSING, fields
from typing import Any

from tradeoffbounds.report.record import plain_options

Record = dict[str, Any]


def command(door: str, options: type[Any], config: Record) -> tuple[str, list[str]]:
    """The shell-quoted command with every option that is not at its default, and the options that the record lacks.

    Args:
        door: its module's last name.
        options: the door's dataclass.
        config: of the record; paths stand as they were given.
    """
    words, unknown = ["python", "-m", f"tradeoffbounds.{door}"], []
    for each in fields(options):
        flag = f"--{each.name.replace('_', '-')}"
        if each.name not in config:
            unknown.append(flag)
            continue
        value = config[each.name]
        if each.default is MISSING or value != plain_options(each.default):
            words += _words(flag, value)
    return shlex.join(words), unknown


def _words(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    if isinstance(value, list):
        return [flag, *map(_word, value)]
    word = _word(value)
    return [f"{flag}={word}"] if word.startswith("-") else [flag, word]  # else it would be taken for an option


def _word(value: Any) -> str:
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)
