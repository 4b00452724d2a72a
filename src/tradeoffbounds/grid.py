"""Grids of options: what a sweep runs over, and the YAML file that says so."""

from __future__ import annotations

import itertools
import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import content_hash

#: More combinations of options than any sweep can do.
MOST_CONFIGS = 100_000
#: Beyond these whole numbers some are no floats, and none is an option's.
_LARGEST = 2**63 - 1


def expand(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the values of each option, the last option varying fastest.

    A value that is a list (or any sequence but text) holds the values of its option; any other is the only one.

    Raises:
        UserError: an option has no values, which would leave no combination, or there are more than `MOST_CONFIGS`.
    """
    options: dict[str, Sequence[Any]] = {}
    for name, values in grid.items():
        options[name] = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
        if not len(options[name]):
            raise UserError(f"option {name!r} has an empty list; give it values, or leave it out")
    if (number := math.prod(map(len, options.values()))) > MOST_CONFIGS:
        raise UserError(f"the options have {number} combinations; at most {MOST_CONFIGS} can be asked for")
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


def read_sweep(path: Path) -> list[dict[str, Any]]:
    """The configurations that a YAML file asks for, each once, in its order.

    The file is a mapping of options to a value or a list of values (see `expand`), or a list of such mappings, whose
    configurations are taken together. Values are text, finite numbers, true, false or null; ``1e-3`` is a number.

    Raises:
        UserError: the file is missing or not YAML, gives an option twice, or is not of that form.
    """
    try:
        content = yaml.load(path.read_bytes(), Loader=_Loader)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except yaml.MarkedYAMLError as error:
        place = f"{path}:{error.problem_mark.line + 1}" if error.problem_mark else str(path)
        raise UserError(f"{place}: not YAML: {error.problem}") from error
    except RecursionError as error:
        raise UserError(f"{path}: not YAML that can be read: nested too deeply") from error
    except (LookupError, AttributeError, TypeError) as error:  # what the library makes of `!!int ""` and `!!bool 2`
        raise UserError(f"{path}: not YAML: a tag (!!) whose value is none of its kind; leave tags out") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none, 2026-02-30
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if content is None or content == []:
        raise UserError(f"{path}: holds nothing; expected options, each with a value or a list of values")
    found: dict[str, dict[str, Any]] = {}
    for number, grid in enumerate(content if isinstance(content, list) else [content], start=1):
        where = f"{path}, item {number}" if isinstance(content, list) else str(path)
        _check(grid, where)
        try:
            configs = expand(grid)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        for config in configs:
            found.setdefault(content_hash(config), config)
    return list(found.values())


def _check(grid: Any, where: str) -> None:
    if not isinstance(grid, dict):
        raise UserError(f"{where}: expected options, each with a value or a list of values, got {_show(grid)}")
    for name, values in grid.items():
        if not isinstance(name, str):
            raise UserError(f"{where}: option {_show(name)} is not text; write its name in quotes")
        for value in values if isinstance(values, list) else [values]:
            if not _is_plain(value):
                raise UserError(
                    f"{where}: option {name!r} has {_show(value)}; expected a finite number, true, false, null, or "
                    "text (in quotes, where YAML reads it as something else)"
                )


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)  # half of a character
    return value is None


def _show(value: Any) -> str:
    """A few words of it: aliases make values of a few lines that are larger than any memory."""
    return reprlib.repr(value)


class _Loader(yaml.SafeLoader):
    """``yaml.safe_load`` but for two things: an option given twice is an error, and ``1e-3`` a number."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.composer.ComposerError(None, None, f"{key.value!r} is given twice", key.start_mark)
                seen.add(key.value)
        return node


# YAML 1.1, which the library follows, wants a point before the exponent and a sign in it; 1.2 does not.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
