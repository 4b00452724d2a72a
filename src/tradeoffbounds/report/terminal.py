"""What every door prints around its own tables: a wide enough console, the verdict, and where the files are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console


def wide_console() -> Console:
    """A console of at least 100 columns: below that the tables fold into columns of one digit."""
    return Console(width=max(Console().width, 100))


def print_sentences(console: Console, sentences: Iterable[str]) -> None:
    """The verdict, a bullet a sentence."""
    console.print()
    for sentence in sentences:
        console.print(f"• {sentence}", highlight=False)


def print_written(console: Console, folder: Path, record: str) -> None:
    """Where the record of this name and the figures are."""
    console.print(f"\nWritten: {folder / record} and {folder / 'figures'}", highlight=False)
