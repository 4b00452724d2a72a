"""Errors that are the caller's to put right."""

from __future__ import annotations


class UserError(ValueError):
    """A wrong call: a name, file, column or option that cannot be used as given.

    The message is one line that says what was given, what was expected and what to do next. The
    command line prints it without a traceback and ends with exit code 2.
    """


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type where there is none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
