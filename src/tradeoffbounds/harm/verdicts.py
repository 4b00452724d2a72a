"""What a judge says of one answer, and what every judge can be asked.

A verdict has three values. A judge that fails has not found the answer safe: `unparsed` is counted beside
the rate and never in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Verdict = Literal["harmful", "safe", "unparsed"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict.

    Attributes:
        verdict: `unparsed` where the judge gave none that could be read.
        codes: of the judge's own categories that an answer falls into; () where it names none.
        probability: the judge's probability of harm; None where it has none to give.
        remark: why there is no verdict, or what to bear in mind with it. Holds no words of the answer.
        raw: what the judge wrote, where that was not as it should be. It may quote the answer, so it is
            kept and shown only where texts are.
    """

    verdict: Verdict
    codes: tuple[str, ...] = ()
    probability: float | None = None
    remark: str | None = None
    raw: str | None = None


class Judge(Protocol):
    """Decides for each answer whether it is harmful.

    Attributes:
        name: for the record, with the judge's version where it has one.
        weak: whether the judge sees the form of an answer alone, and must be announced as such.
        calibration: how well the judge agrees with labels, in a sentence, with figures; None where unknown.
    """

    @property
    def name(self) -> str: ...

    @property
    def weak(self) -> bool: ...

    @property
    def calibration(self) -> str | None: ...

    def covers(self, category: str | None) -> bool:
        """Whether the judge was made to see the harm of this category; True for one it knows nothing of."""
        ...

    def judge(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Judgement]:
        """One judgement for each pair of prompt and response, in order."""
        ...
