"""Each bound names the theorem that proves it, and each of these theorems is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .coq_files import sources, statements

ROOT = Path(__file__).parents[2]
BOUNDS = ROOT / "src" / "tradeoffbounds" / "bounds"
_COQ = re.compile(r"^\s*Coq: ((?:.+,\n)*.+)$", re.MULTILINE)

#: Public functions of `bounds/` that no theorem stands behind, and why. A new function is put here, or proved.
NOT_BOUNDS = {
    "bound": "carries numbers, proves nothing; `product` and `tightest` combine what was proved before",
    "confidence": "limits for sampled rows, results of the literature that each docstring cites",
    "divergences": "quantities, not bounds; tests compare them with scipy and 50 digits",
    "finite": "quantities of a finite problem",
    "finite_bounds": "evaluates the theorems of the other modules",
    "softmax_policy": "a training, that tests compare with the closed form",
    "tightness": "words for a bound beside an observation",
    "theorem1.Decomposition.safety_gap": "the sum of the parts",
    "classifier_bound.RowLosses.value": "the sum of the terms",
    "classifier_bound.loss_ranges": "the range that the cited confidence limits need, not a bound on a gap",
    "theorem4.log_mixture": "the definition of P_λ in logs",
}
#: Bounds that are computed elsewhere.
ELSEWHERE = {
    "comparison/observed.py": ["preference"],
    "overlap/trade_off.py": ["curves"],
    "overlap/certificate.py": ["smallest_penalty"],
    "overlap/prompt_shift.py": ["tv_lower_bound"],
}


def test_every_bound_names_its_theorem() -> None:
    missing = [name for name, doc in functions().items() if not _COQ.search(doc) and not excused(name)]
    assert missing == [], "say `Coq: File.theorem` in the docstring, or why not in NOT_BOUNDS"


def test_every_theorem_that_is_named_is_there() -> None:
    known = statements()
    named = {(function, theorem) for function, theorems in tie().items() for theorem in theorems}
    gone = {(function, theorem) for function, theorem in named if theorem not in known}
    assert gone == set()
    assert len(named) >= 25


def test_every_theorem_that_is_named_is_put_to_work() -> None:
    """On a concrete problem, in one of the files of examples: its hypotheses can be met."""
    examples = "\n".join(text for module, text in sources().items() if module.startswith("Example"))
    used = set(re.findall(r"\w+", examples))
    idle = {theorem for theorems in tie().values() for theorem in theorems if theorem.split(".")[1] not in used}
    assert idle == set()


def test_theorems_that_the_text_for_readers_names_are_there() -> None:
    text = (ROOT / "proofs" / "theory.md").read_text("utf-8")
    named = re.findall(r"^Coq: (.+) in proofs/coq/(\w+)\.v$", text, re.MULTILINE)
    theorems = {f"{module}.{name.strip()}" for names, module in named for name in names.split(",")}
    assert theorems - statements() == set()
    assert len(named) == text.count("Coq: ")


def test_excuses_are_not_stale() -> None:
    names = functions()
    modules = {name.split(".")[0] for name in names}
    assert all(excuse in modules or excuse in names for excuse in NOT_BOUNDS)
    excused_one_by_one = [excuse for excuse in NOT_BOUNDS if "." in excuse]
    assert not [name for name in excused_one_by_one if _COQ.search(names[name])]


@pytest.mark.parametrize("column", [2, 3])
def test_the_table_for_readers_is_complete(column: int) -> None:
    """proofs/README.md: | theorem | statement | Coq name | Python function | assumptions |"""
    lines = (ROOT / "proofs" / "README.md").read_text("utf-8").splitlines()
    rows = [cells for line in lines if len(cells := re.split(r"(?<!\\)\|", line)) == 7]
    listed = {name for cells in rows for name in re.findall(r"`([\w.]+)`", cells[column + 1])}
    if column == 2:
        assert {theorem for theorems in tie().values() for theorem in theorems} <= listed <= statements()
    else:
        assert listed == set(tie())


def tie() -> dict[str, list[str]]:
    """Theorems by Python function, ``module.function`` in `bounds/`, else with its folder."""
    found = {name: _COQ.search(doc) for name, doc in functions().items()}
    return {name: [each.strip() for each in match[1].split(",")] for name, match in found.items() if match}


def functions() -> dict[str, str]:
    """Docstrings of the public functions and methods of `bounds/`, and of those in ELSEWHERE, by name."""
    found = {}
    for path in BOUNDS.glob("*.py"):
        found |= {f"{path.stem}.{name}": doc for name, doc in documented(path).items()}
    for path, names in ELSEWHERE.items():
        docs = documented(ROOT / "src" / "tradeoffbounds" / path)
        found |= {f"{path.removesuffix('.py').replace('/', '.')}.{name}": docs[name] for name in names}
    return found


def documented(path: Path) -> dict[str, str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = [("", node) for node in tree.body]
    nodes += [(f"{each.name}.", node) for each in tree.body if isinstance(each, ast.ClassDef) for node in each.body]
    return {
        prefix + node.name: ast.get_docstring(node) or ""
        for prefix, node in nodes
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def excused(name: str) -> bool:
    return name in NOT_BOUNDS or name.split(".")[0] in NOT_BOUNDS
