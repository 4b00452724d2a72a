"""Coq refuses each theorem with a smaller constant, or without a hypothesis that it needs.

Skipped where Coq is missing (`make proofs` installs it). That the mutated statements are not merely unproved but false
is what proofs/coq/Needed.v shows where it can.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .coq_files import FOLDER

pytestmark = pytest.mark.skipif(shutil.which("coqc") is None, reason="Coq is not installed; `make proofs` installs it")

#: What is changed, where, from and to; each text occurs in its file exactly once.
MUTATIONS = {
    "a divergence that is finite off its support": (
        "Divergence", "Fin (x * ln (x / y)) else Inf", "Fin (x * ln (x / y)) else Fin 0",
    ),
    "Proposition 0 for what is no policy": ("Finite", "proposition0 P : kernel n k P -> ele", "proposition0 P : ele"),
    "Theorem 1 (paper) with half of C": (
        "Theorem1",
        "(Fin (2 * C * TV k (mu x) (muh x)))))).\nProof using All.\n  destruct D_dist",
        "(Fin (C * TV k (mu x) (muh x)))))).\nProof using All.\n  destruct D_dist",
    ),
    "Theorem 2 (a) for a policy that is not within the slack": (
        "Theorem2",
        "theorem2_a slack P :\n  within slack P -> kernel n k P ->",
        "theorem2_a slack P :\n  kernel n k P ->",
    ),
    "half of the cap log(1+λ)": (
        "ClassifierBound",
        "0 <= lam -> ele (gap n k Df muf P_lam) (Fin (ln (1 + lam)))",
        "0 <= lam -> ele (gap n k Df muf P_lam) (Fin (ln (1 + lam) / 2))",
    ),
    "the preference bound without support": (
        "Preference", "0 < mu x j ->\n  0 < P x j /\\ 0 < Pref x j.", "0 < mu x j ->\n  0 < Pref x j.",
    ),
    "Theorem 3 (paper) with half of L_s": (
        "Theorem3", "G theta <= G theta_s + L * radius.", "G theta <= G theta_s + / 2 * L * radius.",
    ),
    "Theorem 3 (refined) with half of S_s": (
        "Theorem3",
        "(grad theta_s) * radius + / 2 * S * radius ^ 2.",
        "(grad theta_s) * radius + / 4 * S * radius ^ 2.",
    ),
    "half of the variance's bound": (
        "Softmax", "dist V p -> 0 <= Var V p s <= / 2 *", "dist V p -> 0 <= Var V p s <= / 4 *",
    ),
    "half of the certified Lipschitz constant": (
        "LinearSoftmax", "linear_lipschitz : R := sqrt 2 / INR n", "linear_lipschitz : R := sqrt 2 / 2 / INR n",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the proofs, compiled, so that a mutation has only its own file to compile again."""
    folder = tmp_path_factory.mktemp("coq")
    for path in (*FOLDER.glob("*.v"), *FOLDER.glob("*.vo"), FOLDER / "_CoqProject"):
        shutil.copy2(path, folder)
    subprocess.run(["coq_makefile", "-f", "_CoqProject", "-o", "CoqMakefile"], cwd=folder, check=True)
    subprocess.run(["make", "-s", "-f", "CoqMakefile"], cwd=folder, check=True, env=_environment())
    return folder


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutated_statement_is_refused(compiled: Path, tmp_path: Path, name: str) -> None:
    module, before, after = MUTATIONS[name]
    text = (compiled / f"{module}.v").read_text("utf-8")
    assert text.count(before) == 1
    for path in compiled.glob("*.vo"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / f"{module}.vo").unlink()
    assert compile_as(text, module, tmp_path).returncode == 0, "the copy itself is at fault"
    result = compile_as(text.replace(before, after), module, tmp_path)
    assert result.returncode != 0
    # Refused for what was changed or behind it, and not for how it is written.
    where = re.search(rf'File "\./{module}\.v", line (\d+)', result.stderr)
    assert where is not None and int(where[1]) > text[: text.index(before)].count("\n")
    assert "Syntax error" not in result.stderr


def compile_as(text: str, module: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / f"{module}.v").write_text(text, encoding="utf-8")
    command = ["coqc", "-q", "-Q", ".", "Tradeoffbounds", f"{module}.v"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _environment() -> dict[str, str]:
    # A Makefile that runs the tests passes its own options on.
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
