"""Case I from three domains: every bound and prediction of the theory at each penalty, with its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tradeoffbounds.bounds import theorem1, theorem2
from tradeoffbounds.bounds.bound import NATS, PROBABILITY, Bound, exact, product
from tradeoffbounds.bounds.confidence import percentile_interval
from tradeoffbounds.overlap import prompt_shift
from tradeoffbounds.overlap.certificate import Certificate, HeldOut, certify, hold_out
from tradeoffbounds.overlap.domain import Domain
from tradeoffbounds.overlap.learning_curve import LearningCurve, learning_curve
from tradeoffbounds.overlap.likelihood_ratios import Likelihoods, exact_gaps
from tradeoffbounds.overlap.safety_gap import (
    ALIGNMENT,
    PROXY,
    SATURATES,
    SafetyTerms,
    ThreeWay,
    safety_curve,
    safety_terms,
    three_way,
)  # fmt: skip
from tradeoffbounds.overlap.trade_off import Curve, LogRatios, curves, log_ratios

Array = np.ndarray
Nested = dict[str, "Bound | Nested"]

#: Penalties of the drawn curves.
GRID = tuple(float(x) for x in np.logspace(-3, 3, 49))
#: Penalties of the page's slider: what it shows is what can be asked for again.
ROUND = (*(float(f"{digit}e{power}") for power in range(-3, 3) for digit in (1, 1.5, 2, 3, 5, 7)), 1000.0)
KL_FROM_BELOW = "response log-ratios saturate near log n: the true value may be larger, so this bounds nothing"
GAPS = ("safety_gap", "proxy_gap", "capability_gap", "total")


@dataclass(frozen=True)
class CaseOne:
    """Everything that `estimate` reports of Case I.

    ``ratios``, ``ratios_to_alignment`` (None where alignment and proxy are the same data) and ``held_out``
    are kept so that other penalties can be asked for without fitting again.
    """

    ratios: LogRatios
    ratios_to_alignment: ThreeWay | None
    held_out: HeldOut
    learning: LearningCurve
    likelihoods: Likelihoods | None
    overlap: dict[str, Bound]
    penalties: list[tuple[float, Nested]]
    grid: dict[str, Curve]
    grid_certificates: list[Certificate]
    confidence: float
    seed: int

    @property
    def same_source(self) -> bool:
        """Whether alignment and proxy are the same data."""
        return self.ratios_to_alignment is None

    @property
    def predicted_totals(self) -> list[tuple[float, Bound]]:
        """λ and the least G_f + λ Ĝ_s, predicted (or estimated, where the learning curve still rises)."""
        return [(penalty, row["predicted"]["total"]) for penalty, row in self.penalties]  # type: ignore[index,misc]

    @property
    def safety_prompt_costs(self) -> list[tuple[float, Bound]]:
        """λ and E_D log(1 + D_f/(λD̂)), the part of Theorem 1, refined, that needs no responses.

        Raises:
            KeyError: alignment and proxy are the same data, so that it was not needed.
        """
        return [(penalty, row["theorem1"]["terms"]["refined_prompt_cost"]) for penalty, row in self.penalties]  # type: ignore[index,misc]

    def curves_at(self, penalties: Sequence[float]) -> dict[str, Curve]:
        """The four brackets at any penalties, without fitting again."""
        return _all_curves(self.ratios, self.ratios_to_alignment, self.learning, penalties, self.confidence, self.seed)

    @cached_property
    def round_rows(self) -> list[tuple[float, Nested]]:
        """The rows at :data:`ROUND`, which take seconds."""
        return self.rows_at(ROUND)

    def rows_at(self, penalties: Sequence[float]) -> list[tuple[float, Nested]]:
        """Every bound and prediction at any penalties, as :attr:`penalties` has them, without fitting again."""
        return _rows(
            self.ratios, self.ratios_to_alignment, self.held_out, self.learning, self.likelihoods, self.overlap,
            penalties, self.confidence, self.seed,
        )  # fmt: skip


def case_one(
    alignment: Domain,
    proxy: Domain,
    capability: Domain,
    penalties: Sequence[float],
    *,
    same_source: bool,
    likelihoods: Likelihoods | None = None,
    confidence: float,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> CaseOne:
    """Fit the classifiers once, then evaluate every penalty.

    Args:
        same_source: alignment and proxy are the same rows; then G_s = Ĝ_s, and Theorem 1's shifts are 0.
        likelihoods: of sources that are models; their exact gaps then stand where predictions would.
        progress: called with the name of each step before it begins.
    """
    say = progress or (lambda step: None)
    say("classifying prompts and pairs")
    ratios = log_ratios(capability, proxy, seed=seed)
    say("learning curve")
    learning = learning_curve(capability, proxy, ratios, seed=seed)
    say("alignment against proxy")
    to_alignment = None if same_source else three_way(alignment, proxy, capability, seed=seed)
    say("certificates")
    held_out = hold_out(capability, proxy, seed=seed)
    overlap = _overlap(ratios, held_out, confidence, seed)
    if to_alignment is not None:
        overlap |= _to_alignment(to_alignment, hold_out(alignment, proxy, seed=seed), confidence, seed)
    else:
        overlap["tv_prompts"] = replace(
            exact(0.0, "total variation of prompts"), unit="probability", assumptions=("same-source",)
        )
    rows = _rows(ratios, to_alignment, held_out, learning, likelihoods, overlap, penalties, confidence, seed)
    return CaseOne(
        ratios, to_alignment, held_out, learning, likelihoods, overlap, rows,
        _all_curves(ratios, to_alignment, learning, GRID, confidence, seed),
        certify(held_out, GRID, confidence=confidence), confidence, seed,
    )  # fmt: skip


def _rows(
    ratios: LogRatios,
    to_alignment: ThreeWay | None,
    held_out: HeldOut,
    learning: LearningCurve,
    likelihoods: Likelihoods | None,
    overlap: dict[str, Bound],
    penalties: Sequence[float],
    confidence: float,
    seed: int,
) -> list[tuple[float, Nested]]:
    at = _all_curves(ratios, to_alignment, learning, penalties, confidence, seed)
    rows = []
    for certificate in certify(held_out, penalties, confidence=confidence):
        gaps = None if likelihoods is None else exact_gaps(likelihoods, certificate.penalty, confidence=confidence)
        terms = None if to_alignment is None else safety_terms(to_alignment, certificate.penalty, seed=seed)
        rows.append((certificate.penalty, _at_penalty(certificate, at, ratios, terms, overlap, gaps, confidence)))
    return rows


def _all_curves(
    ratios: LogRatios,
    to_alignment: ThreeWay | None,
    learning: LearningCurve,
    penalties: Sequence[float],
    confidence: float,
    seed: int,
) -> dict[str, Curve]:
    result = curves(ratios, penalties, confidence=confidence, seed=seed)
    result["safety_gap"] = (
        result["proxy_gap"]
        if to_alignment is None
        else safety_curve(to_alignment, penalties, confidence=confidence, seed=seed)
    )
    # The learning curve is one of proxy against capability; the safety gap of another source has none.
    return {name: replace(curve, flat=learning.flat and curve.upper_is_bound) for name, curve in result.items()}


def _at_penalty(
    certificate: Certificate,
    at: dict[str, Curve],
    ratios: LogRatios,
    terms: SafetyTerms | None,
    overlap: dict[str, Bound],
    gaps: dict[str, Bound] | None,
    confidence: float,
) -> Nested:
    penalty = certificate.penalty
    ends = {name: at[name].ends_at(penalty, f"theorem 4, {name.replace('_', ' ')}") for name in GAPS}
    if terms is None:
        # G_s = Ĝ_s here, so the proxy side's certificate is one for the safety gap.
        first = _theorem1_same_source(ends["proxy_gap"][1])
        safety_certificate = certificate.proxy_gap.named("classifier bound, safety gap", "same-source")
    else:
        first = _theorem1(terms, ends["proxy_gap"][1], overlap["tv_prompts"], confidence)
        safety_certificate = None
    certified: Nested = {
        "total": certificate.total,
        "capability_gap": certificate.capability_gap,
        "proxy_gap": certificate.proxy_gap,
    }
    if safety_certificate is not None:
        certified["safety_gap"] = safety_certificate
    result: Nested = {
        "theorem1": first,
        "theorem2": _theorem2(penalty, ratios, ends, gaps),
        "classifier_bound": certificate.classifier_bound,
        "certificate": certified,
        "bracket": {name: {"lower": low, "upper": high} for name, (low, high) in ends.items()},
        "predicted": {name: _prediction(at[name], ends[name], penalty) for name in GAPS},
    }
    if gaps is not None:
        result["exact"] = dict(gaps)
    return result


def _prediction(curve: Curve, ends: tuple[Bound, Bound], penalty: float) -> Bound:
    """The lower end as the best guess, with the whole bracket and its bands as interval.

    Predicted only where something was detected and the learning curve is flat: before that more rows would move it.
    """
    low, high = ends
    status = low.status
    if low.value == 0:
        status = "nothing detected: the pair classifier sees no difference that the prompts do not explain"
    elif curve.lower_is_bound and not curve.flat:
        status = "the learning curve still rises: more rows would raise this value"
    return Bound(
        low.value, "predicted" if curve.flat and low.value > 0 else "estimated", "value",
        interval=(low.interval[0], high.interval[1]), confidence=curve.confidence,  # type: ignore[index]
        method="pair classifier; interval: bracket with bootstrap bands",
        assumptions=low.assumptions, theorem=low.theorem.replace(", lower end", ""), status=status,
    )  # fmt: skip


def _theorem1_same_source(proxy_upper: Bound) -> Nested:
    nothing = replace(exact(0.0), assumptions=("same-source",))
    return {
        "paper": theorem1.paper(proxy_upper, nothing, nothing, nothing, nothing, nothing),
        "refined": theorem1.refined(nothing, proxy_upper),
        "terms": {"proxy_gap": proxy_upper, "prompt_shift": nothing, "response_kl": nothing, "response_shift": nothing},
        "decomposition": {"prompt_shift": nothing, "response_shift": nothing},
    }


def _theorem1(terms: SafetyTerms, proxy_upper: Bound, prompt_tv: Bound, confidence: float) -> Nested:
    def estimate(name: str, replicates: Array, *assumptions: str, status: str = "ok") -> Bound:
        low, high = percentile_interval(replicates[1:], confidence)
        value = float(replicates[0])
        return Bound(
            value, "estimated", interval=(min(float(low), value), max(float(high), value)), confidence=confidence,
            method="bootstrap", assumptions=("iid", "calibrated-prompts", *assumptions), theorem=name, status=status,
        )  # fmt: skip

    def largest(name: str, value: float) -> Bound:
        return Bound(
            value, "estimated", method="largest over rows", assumptions=("A1", "calibrated-responses"), theorem=name,
            status="the largest log-ratio seen over rows stands in for the supremum",
        )  # fmt: skip

    response_kl = estimate("E_D KL(mu|mu_hat)", terms.response_kl, "calibrated-responses", status=SATURATES)
    on_proxy = estimate("E_D_hat KL(mu|mu_hat)", terms.response_kl_on_proxy, "calibrated-responses", status=SATURATES)
    cost = estimate("E_D log(1 + D_f/(lambda D_hat))", terms.prompt_cost)
    response_tv = Bound(
        terms.response_tv, "estimated", unit=PROBABILITY, method="plug-in", theorem="E_D_hat TV(mu, mu_hat)",
        assumptions=("calibrated-prompts", "calibrated-responses", "iid"),
    )  # fmt: skip
    big_b, big_c = largest("B", terms.largest_kl), largest("C", terms.largest_log_ratio)
    return {
        "paper": theorem1.paper(proxy_upper, big_b, prompt_tv, on_proxy, big_c, response_tv).as_estimate(SATURATES),
        "refined": theorem1.refined(response_kl, cost).as_estimate(SATURATES),
        "terms": {
            "proxy_gap": proxy_upper,
            "prompt_shift": product(big_b, prompt_tv, "B TV(D, D_hat)"),
            "response_kl": on_proxy,
            "response_shift": product(big_c * 2.0, response_tv, "2 C E TV(mu, mu_hat)"),
            "B": big_b,
            "C": big_c,
            "refined_response_kl": response_kl,
            "refined_prompt_cost": cost,
        },
        "decomposition": {
            "prompt_shift": estimate("prompt shift", terms.prompt_shift, "calibrated-responses"),
            "response_shift": estimate("response shift", terms.response_shift, "calibrated-responses"),
        },
    }


def _theorem2(
    penalty: float, ratios: LogRatios, ends: dict[str, tuple[Bound, Bound]], gaps: dict[str, Bound] | None
) -> Nested:
    # Prompts whose log-ratio sits at its limit are taken to lie outside the overlap O.
    n = len(ratios.capability_prompts) + len(ratios.proxy_prompts)
    limit = float(np.log(n)) * 0.999

    def divergence(pairs: Array, prompts: Array, sign: float, name: str) -> Bound:
        overlap = np.abs(prompts) < limit
        value = float((sign * (pairs - prompts) * overlap).mean())
        return Bound(
            max(value, 0.0), "estimated", method="plug-in", theorem=name, status=KL_FROM_BELOW,
            assumptions=("calibrated-prompts", "calibrated-responses", "iid"),
        )  # fmt: skip

    to_capability = divergence(ratios.proxy_pairs, ratios.proxy_prompts, -1.0, "sum_O D_hat KL(mu_hat|mu_f)")
    to_proxy = divergence(ratios.capability_pairs, ratios.capability_prompts, 1.0, "sum_O D_f KL(mu_f|mu_hat)")
    minimum = ends["total"][1] if gaps is None else gaps["total"]
    prompt_cost = ends["capability_gap"][1]
    return {
        "paper": theorem2.paper(penalty, to_capability).as_estimate(KL_FROM_BELOW),
        "b": theorem2.proxy_comparator(to_proxy).as_estimate(KL_FROM_BELOW),
        "c": theorem2.prompts_alone(prompt_cost),
        "d": theorem2.trade_off_value(minimum),
        # KLs estimated from below would flatter the minimum, so (a) and (b) stay out of it.
        "refined": theorem2.refined(penalty, None, None, prompt_cost, minimum),
    }


def _overlap(ratios: LogRatios, held_out: HeldOut, confidence: float, seed: int) -> dict[str, Bound]:
    tv = prompt_shift.tv_estimate(ratios.capability_prompts, ratios.proxy_prompts, confidence, seed=seed)
    low, high = curves(ratios, [1.0], confidence=confidence, seed=seed)["total"].ends_at(1.0, "")
    prompts = (high * 0.5).named("H(Z|X) at lambda = 1")
    # H(Z|X,Y) = H(Z|X) - I(Z;Y|X), both ends of one curve.
    pairs = Bound(
        prompts.value - low.value / 2, "estimated", "upper", NATS, method="log-loss of the pair classifier",
        assumptions=("iid",), theorem="H(Z|X,Y) at lambda = 1",
    )  # fmt: skip
    return {
        "tv_prompts_capability_proxy": tv,
        "tv_prompts_capability_proxy_lower": prompt_shift.tv_lower_bound(held_out, confidence),
        "overlap_mass": prompt_shift.overlap_mass(tv),
        "prompt_entropy": replace(prompts, unit=NATS),
        "pair_entropy": pairs,
    }


def _to_alignment(ratios: ThreeWay, held_out: HeldOut, confidence: float, seed: int) -> dict[str, Bound]:
    (a_prompts, a_pairs), (p_prompts, p_pairs) = (ratios.alignment_ratio[row] for row in (ALIGNMENT, PROXY))
    return {
        "tv_prompts": prompt_shift.tv_estimate(a_prompts, p_prompts, confidence, seed=seed),
        "tv_prompts_lower": prompt_shift.tv_lower_bound(held_out, confidence),
        "kl_prompts_lower": prompt_shift.kl_lower_bound(
            a_prompts, p_prompts, confidence, what="KL(D|D_hat)", seed=seed
        ),
        "kl_pairs_lower": prompt_shift.kl_lower_bound(
            a_pairs, p_pairs, confidence, what="KL(D mu|D_hat mu_hat)", seed=seed
        ),
    }
