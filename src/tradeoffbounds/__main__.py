"""The console command: ``tradeoffbounds estimate …`` is ``python -m tradeoffbounds.estimate …``, as for all doors."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from difflib import get_close_matches

#: Door -> what it is for. The modules are heavy: only the one that was asked for is imported.
DOORS = {
    "estimate": "before a fine-tune: what it may cost, as bounds and predictions",
    "validate": "with a fine-tune: fine-tunes for real; were the bounds tight?",
    "audit": "after a fine-tune: harm and fairness, category by category",
    "study": "after many fine-tunes: which choice mattered?",
}
_ADVICE = "`tradeoffbounds DOOR --help` is the manual of a door"


def main(arguments: list[str] | None = None) -> int:
    """The command.

    Returns:
        The exit code of the door; 2 for a wrong call (one line on stderr), and where no door was named.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        print(usage(), file=sys.stderr)
        return 2
    first, *rest = given
    if first in ("-h", "--help"):
        print(usage())
        return 0
    if first == "--version":
        print(f"tradeoffbounds {importlib.metadata.version('tradeoffbounds')}")
        return 0
    if first not in DOORS:
        from tradeoffbounds.report.progress import Reporter

        Reporter(quiet=True).error(_unknown(first))
        return 2
    code: int = importlib.import_module(f"tradeoffbounds.{first}").main(rest)
    return code


def usage() -> str:
    """What ``--help`` prints."""
    doors = "\n".join(f"  {name:<10}{purpose}" for name, purpose in DOORS.items())
    return (
        "usage: tradeoffbounds DOOR [OPTIONS]\n\n"
        "What a fine-tune may cost an aligned language model's safety, as bounds that can be checked.\n\n"
        f"doors:\n{doors}\n\n"
        f"{_ADVICE}; `tradeoffbounds --version` is the version.\n"
        "`python -m tradeoffbounds.DOOR` is the same command."
    )


def _unknown(given: str) -> str:
    near = get_close_matches(given.casefold(), DOORS, n=1, cutoff=0.6)
    meant = f"; did you mean {near[0]}?" if near else "."
    what = "option" if given.startswith("-") else "door"
    return f"unknown {what} {given!r}{meant} Doors: {', '.join(DOORS)}. {_ADVICE}"


if __name__ == "__main__":
    sys.exit(main())
