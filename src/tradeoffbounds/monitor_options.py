"""Options of `SafetyMonitor`, and those that cannot be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tradeoffbounds.errors import UserError

#: What of the safety gap's interval must exceed the budget.
StopBy = Literal["lower", "value", "upper"]


@dataclass(frozen=True)
class MonitorOptions:
    """What a `SafetyMonitor` was asked for; fields are described there."""

    every: int
    rows: int
    max_tokens: int
    system_prompt: str | None
    data_dir: Path | None
    estimate: Path | None
    penalty: float | None
    max_safety_gap: float | None
    stop_by: StopBy
    gradient: bool
    distance: bool
    confidence: float
    seed: int

    def __post_init__(self) -> None:
        for name, least in (("every", 1), ("rows", 2), ("max_tokens", 16)):  # of one row there is no interval
            if getattr(self, name) < least:
                raise UserError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0.5 <= self.confidence < 1:
            raise UserError(f"confidence must be in [0.5, 1), got {self.confidence}")
        if self.stop_by not in get_args(StopBy):
            raise UserError(f"stop_by must be one of {', '.join(get_args(StopBy))}, got {self.stop_by!r}")
        if self.max_safety_gap is not None and not 0 < self.max_safety_gap < math.inf:
            raise UserError(f"max_safety_gap must be finite and > 0 nats a response, got {self.max_safety_gap}")
        if self.penalty is not None and self.estimate is None:
            raise UserError(f"penalty {self.penalty:g} says which row of an estimate holds; give estimate with it")
        if self.estimate is not None and self.penalty is None and not self.distance:
            raise UserError("Theorem 3 bounds by the distance from the start; leave distance on, or give a penalty")
