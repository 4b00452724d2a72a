"""A record's page again: ``python -m tradeoffbounds.page runs/estimate/estimate.json``."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tradeoffbounds.door import run_command
from tradeoffbounds.errors import UserError
from tradeoffbounds.page import FILE, write_page_to
from tradeoffbounds.report.progress import Reporter


@dataclass(frozen=True)
class PageConfig:
    """Make report.html from the record of a door.

    Examples:
        python -m tradeoffbounds.page runs/estimate/estimate.json
        python -m tradeoffbounds.page audit.json --out audit.html
    """

    record: Annotated[Path, tyro.conf.Positional]
    """The record: estimate.json, validate.json, audit.json or study.json."""
    out: Path | None = None
    """The page; default: report.html beside the record."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """Do not say where the page is."""


def make_page(config: PageConfig, reporter: Reporter) -> Path:
    """Read the record, write the page and return its path.

    Raises:
        UserError: there is no such file, it is no record, or the page cannot be written.
    """
    try:
        record = json.loads(config.record.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {config.record}: {error.strerror or error}; give an estimate.json") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is no JSONDecodeError
        raise UserError(
            f"{config.record} is not JSON ({error}); give an estimate.json, validate.json, audit.json or study.json"
        ) from error
    if not isinstance(record, dict):
        raise UserError(f"{config.record} is no record; give an estimate.json, validate.json, audit.json or study.json")
    path = config.out or config.record.with_name(FILE)
    try:
        return write_page_to(record, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another --out") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, StopIteration) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{config.record} has the schema {record['schema']} and not its parts ({type(error).__name__}: {error}); "
            "give the file that the command wrote"
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns 0, or 2 for a wrong call (one line on stderr)."""
    return run_command("tradeoffbounds.page", PageConfig, make_page, lambda path: print(f"Written: {path}"), arguments)


if __name__ == "__main__":
    sys.exit(main())
