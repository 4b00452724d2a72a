"""What a finished run left in its folder, looked at before anything is computed from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import read_json

Record = dict[str, Any]
_TRAINED: dict[str, type] = {"history": list}
_LARGEST = sys.float_info.max
_MEASURED: dict[str, type] = {"config": dict, "losses": dict, "kls": dict}


def stored_run(folder: Path) -> Record:
    """The record of a run: ``config``, ``history``, and ``losses`` and ``kls``, one number a held-out row by address.

    Raises:
        UserError: it is missing or damaged; to remove the folder is to have the run done again.
    """
    record = _stored(folder, _TRAINED | _MEASURED)
    for part in ("losses", "kls"):
        if not all(_numbers(rows) for rows in record[part].values()):
            raise _damaged(folder / "run.json", part)
    return record


def stored_start(folder: Path) -> Record:
    """The record of an aligned start, of which ``history`` is read: sweeps measure it themselves.

    Raises:
        UserError: as `stored_run`.
    """
    return _stored(folder, _TRAINED)


def _stored(folder: Path, kinds: dict[str, type]) -> Record:
    path = folder / "run.json"
    record = read_json(path)
    for part, kind in kinds.items():
        if not isinstance(record.get(part), kind):
            raise _damaged(path, part)
    if not all(isinstance(entry, dict) and _numbers(list(entry.values())) for entry in record["history"]):
        raise _damaged(path, "history")
    return record


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        # Of whole numbers JSON has larger ones than floats.
        isinstance(each, int | float) and not isinstance(each, bool) and -_LARGEST <= each <= _LARGEST
        for each in values
    )  # fmt: skip


def _damaged(path: Path, part: str) -> UserError:
    return UserError(f"{path}: is damaged in {part!r}; remove its folder, and it is made again")
