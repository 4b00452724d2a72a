"""What every input is put through: a right result or one line, and nothing written. How many inputs there are.

The environment variable TRADEOFFBOUNDS_FUZZ is the number of inputs of each group of targets: 500 without it, 10000 in
the long mode. With TRADEOFFBOUNDS_FUZZ_COUNTS, the path of a JSON file, what became of them is written there.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from tradeoffbounds.errors import UserError

INPUTS = int(os.environ.get("TRADEOFFBOUNDS_FUZZ", "500"))
IS_LONG = INPUTS >= 10_000
#: Target -> what became of its inputs.
COUNTS: dict[str, Counter[str]] = defaultdict(Counter)


class Reached(Exception):
    """The door is open: everything that can be refused without a model has been looked at."""


class Refused(str):
    """The one line of a `UserError`."""


def inputs(share: float) -> settings:
    """So large a share of the group's inputs; CI tries the same ones every time, the long mode others."""
    return settings(
        max_examples=max(1, round(INPUTS * share)), deadline=None, derandomize=not IS_LONG, database=None,
        suppress_health_check=list(HealthCheck), print_blob=True,
        phases=(Phase.explicit, Phase.generate),  # to shrink a large record takes minutes, and the blob repeats it
    )  # fmt: skip


def outcome(target: str, call: Callable[[], Any], *, one_line: bool = True) -> Any:
    """What the call returns, or the line that it is refused with; any other error is a fault, and passes.

    Args:
        one_line: false where what is given may be of several lines itself; it is the doors that keep those to one.
    """
    try:
        result = call()
    except UserError as error:
        COUNTS[target]["refused"] += 1
        line = Refused(error)
        assert line.strip() and not (one_line and "\n" in line), line
        assert len(line) < 20_000  # what was given is named; nothing larger is poured out
        return line
    COUNTS[target]["accepted"] += 1
    return result


def at_door(target: str, main: Callable[[list[str]], int], arguments: list[str]) -> int | None:
    """The exit code of a door's command; None where it got as far as `Reached`.

    A wrong call is one line on stderr. Only what is no command line at all (an unknown option, a word in the place of
    a number) is told in the frame of the library that reads it, with exit code 2 as well.
    """
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    except Reached:
        COUNTS[target]["accepted"] += 1
        return None
    except SystemExit as ended:
        COUNTS[target]["unreadable"] += 1
        assert ended.code == 2 and "Traceback" not in err.getvalue()  # noqa: PT017  # the code is what is looked at
        return 2
    COUNTS[target]["accepted" if code == 0 else "refused"] += 1
    if code == 2:
        said = [line for line in err.getvalue().splitlines() if not line.startswith(("... ", "note: "))]
        assert len(said) == 1 and said[0].startswith("error: "), err.getvalue()
        assert out.getvalue() == ""
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", err.getvalue())
    return code


def contents(folder: Path) -> dict[str, bytes | str]:
    """Every file below a folder."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        found[str(path.relative_to(folder))] = path.read_bytes() if stat.S_ISREG(mode) else str(stat.S_IFMT(mode))
    return found


@contextlib.contextmanager
def untouched(folder: Path) -> Any:
    """Within, nothing below the folder changes."""
    before = contents(folder)
    yield
    assert contents(folder) == before
