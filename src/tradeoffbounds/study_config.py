"""Options of the door `study`: finished sweeps, and what each of their fine-tunes is asked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal  # noqa: F401  tyro reads the inherited hints as written here

import tyro

from tradeoffbounds.audit_config import AuditConfig
from tradeoffbounds.errors import UserError


@dataclass(frozen=True)
class StudyConfig(AuditConfig):
    """Which choice costs safety and fairness: the method, the objective, the penalty, the model?

    Audits every fine-tune of finished `validate` folders, each against the start that it was tuned from, and says how
    much of what happened each choice explains: the effect of every factor on harm, on BBQ's accuracy and bias score and
    on both gaps, tested by permutation within blocks of runs that are alike in all else; and which fine-tunes no other
    beats in safety, fairness and capability at once.

    Answers are kept: after an interruption the same command goes on. Several folders, such as one a model, are one
    study.

    Examples:
        python -m tradeoffbounds.study --data-dir DATA
        python -m tradeoffbounds.study --sweep runs/llama runs/qwen --judge llama-guard:meta-llama/Meta-Llama-Guard-2-8B
    """

    model: tyro.conf.Suppress[str] = "embedded"
    adapter: tyro.conf.Suppress[Path | None] = None
    system_prompt: tyro.conf.Suppress[str] = "You are a helpful assistant."
    sweep: tuple[Path, ...] = (Path("runs/validate"),)
    """Folders that `validate` has written."""
    out: Path = Path("runs/study")
    """Folder of the results: study.json, report.html, figures/ and audits/."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """No tables and no progress; warnings stay."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything. Raises UserError."""
        super().__post_init__()
        object.__setattr__(self, "sweep", tuple(Path(each) for each in self.sweep))
        if not self.sweep:
            raise UserError("--sweep needs at least one folder that validate has written")
        if len({each.resolve() for each in self.sweep}) < len(self.sweep):
            raise UserError("--sweep names a folder twice")

    def audit(self, model: str, adapter: Path, system_prompt: str, out: Path) -> AuditConfig:
        """The options of one fine-tune's audit."""
        shared = {field.name: getattr(self, field.name) for field in fields(AuditConfig)}
        return AuditConfig(**shared | {"model": model, "adapter": adapter, "system_prompt": system_prompt, "out": out})
