"""What all doors have in common: a command made of a function and its options, and a module that is that function."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from tradeoffbounds.errors import UserError
from tradeoffbounds.report.progress import Reporter

Options = TypeVar("Options", bound=Any)


def with_data_dir(config: Options) -> Options:
    """The options, with ``$TRADEOFFBOUNDS_DATA`` for a data folder that was not given.

    Args:
        config: a dataclass with ``data_dir``.
    """
    folder = os.environ.get("TRADEOFFBOUNDS_DATA")
    return replace(config, data_dir=Path(folder)) if config.data_dir is None and folder else config


def run_command(
    name: str, options: Callable[..., Any], door: Callable[[Any, Reporter], Any], show: Callable[[Any], None],
    arguments: list[str] | None,
) -> int:  # fmt: skip
    """Read the options, open the door, show what came out.

    Args:
        name: of the module that ``python -m`` runs.
        options: a dataclass with ``quiet``, which refuses wrong values by `UserError`; its docstring is the manual.
        show: prints the result; not called with ``--quiet``.

    Returns:
        The exit code: 0, or 2 for a wrong call (one line on stderr).
    """
    import tyro

    reporter = Reporter(quiet=False)
    try:
        config = tyro.cli(
            partial(options),  # for the class itself tyro would put its UserErrors into a frame
            prog=f"python -m {name}",
            description=inspect.getdoc(options),  # which tyro would take to end before the examples
            args=arguments,
        )
        reporter = Reporter(quiet=config.quiet)
        with reporter:
            result = door(config, reporter)
    except UserError as error:
        reporter.error(str(error))
        return 2
    if not config.quiet:
        show(result)
    return 0


def make_callable(module: str, door: Callable[..., Any]) -> None:
    """`tradeoffbounds.estimate` names a module and, for the Python API, the function in it: one object is both."""

    class Door(ModuleType):
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            return door(*arguments, **options)

    sys.modules[module].__class__ = Door
