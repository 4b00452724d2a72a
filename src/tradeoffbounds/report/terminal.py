"""What every door prints around its own tables: a wide enough console, the verdict, and where the files are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console


def wide_console() -> Console:
    """A console of at least 100 columns: below that the tables fold into columns of one digit.

    Text is shown as it is: names of files and sources may hold what rich would read as its markup, ``data[1].csv``.
    """
    return Console(width=max(Console().width, 100), markup=False, emoji=False)


def print_sentences(console: Console, sentences: Iterable[str]) -> None:
    """The verdict, a bullet a sentence."""
    console.print()
    for sentence in sentences:
        console.print(f"• {sentence}", highlight=False)


def print_written(console: Console, folder: Path, *files: str) -> None:
    """Where the files of these names and the figures are."""
    listed = ", ".join(str(folder / name) for name in files)
    console.print(f"\nWritten: {listed} and {folder / 'figures'}", highlight=False)
