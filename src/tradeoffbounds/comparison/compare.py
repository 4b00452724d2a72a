"""One run beside everything that was said of it before: bounds, predictions, slack, and the words of section 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tradeoffbounds.bounds.bound import PER_UNIT, Bound
from tradeoffbounds.bounds.classifier_bound import trivial_capability, trivial_total
from tradeoffbounds.bounds.tightness import judge
from tradeoffbounds.comparison.observed import PARAMETER_NORM, Measured

Bounds = dict[str, Bound]
#: What each bound bounds.
QUANTITIES = {
    "theorem1.paper": "safety_gap", "theorem1.refined": "safety_gap", "theorem2.paper": "capability_gap",
    "theorem2.refined": "capability_gap", "classifier_bound": "total", "certificate.total": "total",
    "interference.classifier_bound": "interference", "interference.certificate": "interference",
    "theorem3.paper": "safety_gap", "theorem3.refined": "safety_gap", "capability.lower": "capability_gap",
    "capability.upper": "capability_gap",
}  # fmt: skip


@dataclass(frozen=True)
class Gaps:
    """The gaps of one model, in the order of the theory."""

    safety: Measured
    proxy: Measured
    capability: Measured

    def total(self, penalty: float) -> Measured:
        """G_f + λ Ĝ_s."""
        return self.capability + self.proxy * penalty


@dataclass(frozen=True)
class Foretold:
    """What was said before the fine-tune, of this run alone.

    Attributes:
        bounds: by the names of :data:`QUANTITIES`, those that apply.
        predicted: by quantity.
        sharing: δ + κ as the reduced quadratic model predicts it.
        lipschitz: L_s of the ball, None without one.
    """

    bounds: Bounds
    predicted: Bounds
    sharing: Bound | None = None
    lipschitz: Bound | None = None


def case_one_foretold(row: Mapping[str, Any], sharing: Bound | None) -> Foretold:
    """Of a run with a penalty.

    Args:
        row: of `overlap.CaseOne` at this penalty.
    """
    bounds = {
        "theorem1.paper": row["theorem1"]["paper"],
        "theorem1.refined": row["theorem1"]["refined"],
        "theorem2.paper": row["theorem2"]["paper"],
        "theorem2.refined": row["theorem2"]["refined"],
        "classifier_bound": row["classifier_bound"],
        "certificate.total": row["certificate"]["total"],
    }
    return Foretold(bounds, dict(row.get("exact", row["predicted"])), sharing)


def case_two_foretold(ball: Any, start: Gaps, confidence: float) -> Foretold:
    """Of a run within a radius. Case II counts gaps from the aligned model, so that model's own gaps are added.

    Args:
        ball: of `curvature.CaseTwo` at this radius.
        start: the aligned model's gaps on the held-out rows.
    """
    safety = start.safety.bound("safety gap of the start", confidence)
    capability = start.capability.bound("capability gap of the start", confidence)
    bounds = {f"theorem3.{name}": _named(each + safety, each) for name, each in ball.theorem3.items()}
    bounds |= {f"capability.{name}": _named(each + capability, each) for name, each in ball.capability.items()}
    drift = ball.drift["descent"]
    return Foretold(bounds, {} if drift is None else {"drift": drift}, lipschitz=ball.constants["L_s"]["estimate"])


def compared(
    gaps: Gaps,
    start: Gaps,
    foretold: Foretold,
    *,
    penalty: float | None,
    alone: Gaps | None,
    history: Sequence[Mapping[str, float]],
    confidence: float,
) -> dict[str, Any]:
    """The parts of a run's record that say what was observed and how it compares.

    ``interference`` is what training together costs beyond training apart: the total less what single-source training
    of the same method leaves, which no theorem bounds. Theorem 4 predicts it up to the cost of sharing parameters.

    Args:
        alone: the gaps of single-source training of the same method: capability from the fine-tune on the capability
            data alone, proxy from that on the proxy alone; None where those were not run.
        history: of the training.
    """
    observed: dict[str, Bound | None] = {
        "safety_gap": gaps.safety.bound("safety gap", confidence),
        "proxy_gap": gaps.proxy.bound("proxy gap", confidence),
        "capability_gap": gaps.capability.bound("capability gap", confidence),
        "total": None if penalty is None else gaps.total(penalty).bound("total", confidence),
        "safety_gap_start": start.safety.bound("safety gap of the start", confidence),
        "proxy_gap_start": start.proxy.bound("proxy gap of the start", confidence),
        "capability_gap_start": start.capability.bound("capability gap of the start", confidence),
        "interference": None,
        "distance": _distance(history),
    }
    bounds, predicted = dict(foretold.bounds), dict(foretold.predicted)
    if penalty is not None and alone is not None:
        observed["interference"] = (gaps.total(penalty) - alone.total(penalty)).bound("interference", confidence)
        predicted["interference"] = predicted["total"]
        # What bounds the best trade-off bounds the information in it, which is interference less the cost of sharing.
        bounds["interference.classifier_bound"] = bounds["classifier_bound"]
        bounds["interference.certificate"] = bounds["certificate.total"]
    judgements = {}
    for name, bound in bounds.items():
        quantity = observed[QUANTITIES[name]]
        if quantity is not None:
            side: Literal["upper", "lower"] = "lower" if name == "capability.lower" else "upper"
            judgements[name] = judge(bound, quantity, _trivial(QUANTITIES[name], penalty), side=side)
    return {
        "observed": {name: each and each.to_json() for name, each in observed.items()},
        "bounds": {name: bound.to_json() for name, bound in bounds.items()},
        "predicted": {name: bound.to_json() for name, bound in predicted.items()},
        "judged": {
            name: {
                "quantity": QUANTITIES[name],
                "tightness": None if each.tightness == float("inf") else each.tightness,
                "word": each.word,
                "certain": each.certain,
            }
            for name, each in judgements.items()
        },
        "verdict": {name: each.sentence() for name, each in judgements.items()},
        "slack": _slack(gaps, alone, foretold, penalty, confidence),
        "path": _path(history, foretold.lipschitz),
    }


def _slack(
    gaps: Gaps, alone: Gaps | None, foretold: Foretold, penalty: float | None, confidence: float
) -> dict[str, Any] | None:
    """δ + κ = observed total - information, and what of it single-source training leaves as well."""
    if penalty is None:
        return None
    information = foretold.predicted["total"]
    total = gaps.total(penalty)
    parts: dict[str, Bound | None] = {
        "total": _less(total.bound("delta + kappa", confidence), information),
        "information": information,
        "apart": None,
        "sharing": None,
        "sharing_predicted": foretold.sharing,
    }
    if alone is not None:
        apart = alone.total(penalty)
        parts["apart"] = apart.bound("what single-source training leaves", confidence)
        parts["sharing"] = _less((total - apart).bound("cost of sharing parameters", confidence), information)
    return {name: each and each.to_json() for name, each in parts.items()}


def _less(measured: Bound, information: Bound) -> Bound:
    """measured - information, under the name of the first."""
    return (measured - information).named(measured.theorem)


def _named(total: Bound, bound: Bound) -> Bound:
    return total.named(f"{bound.theorem}, from the start's measured gap")


def _trivial(quantity: str, penalty: float | None) -> Bound | None:
    if penalty is None or quantity == "safety_gap":
        return None
    value = trivial_capability(penalty) if quantity == "capability_gap" else trivial_total(penalty)
    return Bound(value, "certified", "upper", theorem="known without data", assumptions=("A2",))


def _distance(history: Sequence[Mapping[str, float]]) -> Bound | None:
    found = [entry["distance"] for entry in history if "distance" in entry]
    return Bound(found[-1], "measured", unit=PARAMETER_NORM, theorem="distance from the start") if found else None


def _path(history: Sequence[Mapping[str, float]], lipschitz: Bound | None) -> dict[str, Any] | None:
    """Loss, distance and safety gradient along the training, and the largest gradient beside L_s of the ball."""
    looks = [entry for entry in history if "safety_gradient" in entry]
    if not looks:
        return None
    losses = {int(entry["step"]): entry["loss"] for entry in history if "loss" in entry}
    largest = max(entry["safety_gradient"] for entry in looks)
    return {
        "step": [int(entry["step"]) for entry in looks],
        "loss": [losses.get(int(entry["step"])) for entry in looks],
        "distance": [entry["distance"] for entry in looks],
        "gradient_norm": [entry["safety_gradient"] for entry in looks],
        "safety_loss": [entry["safety_loss"] for entry in looks],
        "largest_gradient": Bound(
            largest, "measured", unit=PER_UNIT, theorem="largest safety gradient met", method=f"{len(looks)} points",
            assumptions=("rows",),
        ).to_json(),
        "lipschitz": lipschitz and lipschitz.to_json(),
    }  # fmt: skip
