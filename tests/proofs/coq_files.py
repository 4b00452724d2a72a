"""What the tests read of the Coq files: theorems by file, tables, and values in closed form."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "proofs" / "coq"

_COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
_STATEMENT = re.compile(r"^(?:Theorem|Corollary|Lemma|Example) (\w+)", re.MULTILINE)
_TABLE = re.compile(r"^Definition ex_(\w+) : list [^:]*:=(.*?)\.$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"^Definition ex_(\w+) : R :=(.*?)\.$", re.MULTILINE | re.DOTALL)
_VALUE = re.compile(r"^Example value_(\w+) ?:(.*?)\.$\s*^Proof", re.MULTILINE | re.DOTALL)
_MAY_APPEAR = re.compile(r"[\d\s+\-*/().]|ln|sqrt")


def sources() -> dict[str, str]:
    """The text of each file by its module's name, without comments."""
    return {path.stem: _COMMENT.sub("", path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.v"))}


def statements() -> set[str]:
    """Every named statement as ``Module.name``."""
    return {f"{module}.{name}" for module, text in sources().items() for name in _STATEMENT.findall(text)}


def tables() -> dict[str, Any]:
    """The concrete problems' numbers, by name without ``ex_``: nested lists of floats, or one float."""
    text = "\n".join(sources().values())
    return {name: _read_table(body) for name, body in _TABLE.findall(text)} | {
        name: _evaluate(body.strip()) for name, body in _NUMBER.findall(text)
    }


def values() -> dict[str, float]:
    """The right-hand sides of the examples ``value_NAME``, evaluated here: what Coq proved some term to be.

    Without those that speak of a whole table (``forall ...``), which :func:`tables` has.
    """
    found = [each for text in sources().values() for each in _VALUE.findall(text) if "forall" not in each[1]]
    return {name: _evaluate(statement.rsplit("=", 1)[1].strip()) for name, statement in found}


def _evaluate(expression: str) -> float:
    expression = re.sub(r"^Fin\s*\((.*)\)$", r"\1", expression, flags=re.DOTALL)
    if _MAY_APPEAR.sub("", expression):
        raise ValueError(f"not an expression of rationals, ln and sqrt: {expression}")
    return float(eval(" ".join(expression.split()), {"ln": math.log, "sqrt": math.sqrt}))


def _read_table(table: str) -> Any:
    """A list of rationals, or a list of such lists, each entry exact until it becomes a float."""
    if re.sub(r"[\d\s/\[\];-]", "", table):
        raise ValueError(f"not a table of rationals: {table}")
    entries = re.sub(r"-?\d+(?:\s*/\s*\d+)?", lambda found: f'"{"".join(found[0].split())}"', table)
    return _floats(json.loads(entries.replace(";", ",")))


def _floats(table: Any) -> Any:
    return [_floats(each) for each in table] if isinstance(table, list) else float(Fraction(table))
