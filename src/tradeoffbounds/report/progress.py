"""What a door says while it works: progress on the terminal's error stream, warnings that stay."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Reporter:
    """Progress bars and warnings. ``quiet`` drops the bars, never the warnings."""

    def __init__(self, *, quiet: bool) -> None:
        # Progress goes to stderr, so that stdout holds results only.
        self._console = Console(stderr=True, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description:<36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._console, disable=quiet or not sys.stderr.isatty(),
        )  # fmt: skip
        self._plain = not quiet and not sys.stderr.isatty()
        self._tasks: dict[str, TaskID] = {}
        self._current: TaskID | None = None

    def __enter__(self) -> Reporter:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def advance(self, what: str, done: int, total: int) -> None:
        """``done`` more of ``total`` rows of a countable step."""
        if what not in self._tasks:
            self._announce(f"{what} ({total})")
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.advance(self._tasks[what], done)

    def step(self, what: str) -> None:
        """An uncountable step begins; the one before it is over."""
        self.done()
        self._announce(what)
        self._current = self._progress.add_task(what, total=1)

    def done(self) -> None:
        """The current uncountable step is over."""
        if self._current is not None:
            self._progress.update(self._current, completed=1)
            self._current = None

    def warn(self, text: str) -> None:
        self._console.print(f"[yellow]note:[/] {_escape(text)}", highlight=False)

    def error(self, text: str) -> None:
        self._console.print(f"[red]error:[/] {_escape(text)}", highlight=False)

    def _announce(self, what: str) -> None:
        if self._plain:
            self._console.print(f"... {_escape(what)}", highlight=False)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
