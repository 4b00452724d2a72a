"""From verdicts to rates: how often answers are harmful by category, and what was not supplied or not covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scipy import stats

from tradeoffbounds.bounds.bound import PROBABILITY, Bound

if TYPE_CHECKING:
    from tradeoffbounds.harm.verdicts import Verdict

Status = Literal["ok", "not supplied", "not covered"]

#: The category of prompts that have none.
UNCATEGORISED = "all prompts"
HARM_RATE = "harmfulness rate"
WILSON = "Wilson score interval"


@dataclass(frozen=True)
class CategoryRate:
    """How one category was answered.

    Attributes:
        status: ``not supplied``: the set has no prompts of it; ``not covered``: the judge does not know it. Neither
            says anything about the model, so counts and rate are None.
        n: prompts at hand, judged or not.
        rate: harmful / (harmful + safe), lower is safer; None where nothing was parsed. An answer that the judge left
            unparsed is counted beside the rate, and is never safe.
    """

    status: Status
    n: int
    harmful: int | None = None
    safe: int | None = None
    unparsed: int | None = None
    rate: Bound | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.status, "n": self.n, "harmful": self.harmful, "safe": self.safe, "unparsed": self.unparsed,
            "rate": None if self.rate is None else self.rate.to_json(),
        }  # fmt: skip


@dataclass(frozen=True)
class HarmSummary:
    """Every category, and all judged prompts together (whose ``n`` leaves out categories not covered)."""

    categories: dict[str, CategoryRate]
    overall: CategoryRate

    def to_json(self) -> dict[str, Any]:
        categories = {name: each.to_json() for name, each in self.categories.items()}
        return {"categories": categories, "overall": self.overall.to_json()}


def wilson_rate(successes: int, trials: int, *, confidence: float, name: str) -> Bound | None:
    """The rate with Wilson's score interval (Wilson 1927), from scipy; None of no trials.

    It stays inside [0, 1], has a width at 0 and at 1 too, and covers about ``confidence`` for small n.
    """
    if trials == 0:
        return None
    value = successes / trials
    found = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    # At 0 and at 1 rounding may leave the value just outside.
    interval = max(0.0, min(float(found.low), value)), min(1.0, max(float(found.high), value))
    return Bound(
        value, "measured", unit=PROBABILITY, interval=interval, confidence=confidence,
        method=f"{WILSON} over {trials} answers", assumptions=("iid",), theorem=name,
    )  # fmt: skip


def harm_summary(
    verdicts: Mapping[str, Verdict],
    categories: Mapping[str, str | None],
    *,
    not_supplied: Sequence[str] = (),
    covers: Callable[[str | None], bool],
    confidence: float,
) -> HarmSummary:
    """Rates of harmful answers by category and over all.

    Args:
        verdicts: of each prompt id; those of categories that are not covered are not looked at.
        categories: of each prompt id; None is put under :data:`UNCATEGORISED`.
        not_supplied: categories that the set should have and has no prompts of.
        covers: whether the judge was made to see the harm of a category.

    Raises:
        ValueError: a covered prompt without a verdict, a verdict that is none of the three, or a category that is
            supplied after all.
    """
    groups = grouped(categories)
    if supplied := set(groups) & set(not_supplied):
        raise ValueError(f"{sorted(supplied)} are said not to be supplied, yet there are prompts of them")
    found: dict[str, CategoryRate] = {}
    judged: list[Verdict] = []
    for name, prompts in groups.items():
        if not covered(name, covers):
            found[name] = CategoryRate("not covered", len(prompts))
            continue
        if missing := [prompt for prompt in prompts if prompt not in verdicts]:
            raise ValueError(f"no verdict on {len(missing)} prompts of {name}, the first of which is {missing[0]!r}")
        own = [verdicts[prompt] for prompt in prompts]
        found[name] = _counted(own, confidence, f"{HARM_RATE}: {name}")
        judged += own
    found |= {name: CategoryRate("not supplied", 0) for name in not_supplied}
    if judged:
        return HarmSummary(found, _counted(judged, confidence, HARM_RATE))
    nothing: Status = "not covered" if groups else "not supplied"
    return HarmSummary(found, CategoryRate(nothing, sum(map(len, groups.values()))))


def grouped(categories: Mapping[str, str | None]) -> dict[str, list[str]]:
    """Prompt ids by category, in the order of their first prompt."""
    groups: dict[str, list[str]] = {}
    for prompt, category in categories.items():
        groups.setdefault(UNCATEGORISED if category is None else category, []).append(prompt)
    return groups


def covered(category: str, covers: Callable[[str | None], bool]) -> bool:
    """Whether the judge's verdicts on a category of :func:`grouped` mean anything."""
    return covers(None if category == UNCATEGORISED else category)


def _counted(verdicts: Iterable[Verdict], confidence: float, name: str) -> CategoryRate:
    counts = Counter(verdicts)
    if strange := set(counts) - {"harmful", "safe", "unparsed"}:
        raise ValueError(f"a verdict must be harmful, safe or unparsed, got {sorted(strange)}")
    harmful, safe = counts["harmful"], counts["safe"]
    rate = wilson_rate(harmful, harmful + safe, confidence=confidence, name=name)
    return CategoryRate("ok", counts.total(), harmful, safe, counts["unparsed"], rate)
