"""What a fine-tune did, as numbers that fine-tunes can be compared by: changes from before to after."""

from __future__ import annotations

from typing import Any

from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE, Bound
from tradeoffbounds.comparison.tuned_runs import growth

Record = dict[str, Any]
#: Gaps of the run's record.
GAPS = ("safety_gap", "capability_gap")
#: Changes over all harm categories, and over all BBQ dimensions in a context: name -> where the audit has it.
CHANGES = {
    "harmfulness": ("harm",),
    "accuracy_ambig": ("fairness", "ambig", "accuracy"),
    "accuracy_disambig": ("fairness", "disambig", "accuracy"),
    "bias_ambig": ("fairness", "ambig", "bias"),
    "bias_disambig": ("fairness", "disambig", "bias"),
}
OUTCOMES = (*CHANGES, *GAPS)


def outcomes_of(run: Record, audit: Record) -> dict[str, Record | None]:
    """Name -> quantity, None where there is none (not audited, nothing parsed, an infinite gap).

    Args:
        run: one of validate.json's ``runs``.
        audit: of its adapter.
    """
    found = {name: _at(audit["compared_with_base"]["overall"], path) for name, path in CHANGES.items()}
    return {name: change and change["difference"] for name, change in found.items()} | {
        gap: _growth(run, gap) for gap in GAPS
    }


def _at(part: Record | None, path: tuple[str, ...]) -> Record | None:
    for name in path:
        part = part and part.get(name)
    return part


def _growth(run: Record, gap: str) -> Record | None:
    rise = growth(run, gap)
    if rise is None:
        return None
    method = "difference of means over the same held-out rows"
    return Bound(
        rise, "measured", unit=NATS_PER_RESPONSE, method=method, theorem=f"rise of the {gap.replace('_', ' ')}"
    ).to_json()
