"""What a door says while it works: progress on the terminal's error stream, warnings that stay."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: A step that is expected to last longer is announced where there is no bar to show it, once it has run for a while.
_LONG_SECONDS = 60.0
_WATCHED_SECONDS = 3.0


@dataclass
class _Step:
    """A countable step: how far it is, and when and where it was first heard of."""

    task: TaskID
    begun: float
    begun_at: int
    done: int
    told: bool = False


class Reporter:
    """Progress bars and warnings. ``quiet`` drops the bars, never the warnings.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        # Progress goes to stderr, so that stdout holds results only. No emoji: rich would read them into file:100:.
        self._console = Console(stderr=True, soft_wrap=True, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description:<36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), console=self._console, disable=quiet or not sys.stderr.isatty(),
        )  # fmt: skip
        self._plain = not quiet and not sys.stderr.isatty()
        self._clock = clock
        self._steps: dict[str, _Step] = {}
        self._current: TaskID | None = None

    def __enter__(self) -> Reporter:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def advance(self, what: str, done: int, total: int) -> None:
        """``done`` more of ``total`` rows of a countable step. A long one is told of, with the minutes it has left."""
        step = self._steps.get(what)
        if step is None:
            self._announce(f"{what} ({total})")
            # What is done at the first call may have been done by an earlier run: its pace is unknown.
            task = self._progress.add_task(what, total=total)
            self._steps[what] = _Step(task, self._clock(), done, done)
        else:
            step.done += done
            self._tell_time_left(what, step, total)
        self._progress.advance(self._steps[what].task, done)

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

    def _tell_time_left(self, what: str, step: _Step, total: int) -> None:
        taken, advanced = self._clock() - step.begun, step.done - step.begun_at
        if step.told or taken < _WATCHED_SECONDS or not advanced:
            return
        expected = taken / advanced * (total - step.done)
        if expected >= _LONG_SECONDS:
            step.told = True
            self._announce(f"{what}: about {duration(expected)} left")


def duration(seconds: float) -> str:
    """A time to expect, in words: ``4 minutes``, ``2.5 hours``."""
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    return f"{seconds / 3600:.1f} hours"


def _escape(text: str) -> str:
    """One line that a terminal shows as it is: text from a data file could hold line breaks and control sequences."""
    from rich.markup import escape

    return escape("".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text))
