"""The trade-off curve before any fine-tune: G_f(P_λ), Ĝ_s(P_λ) and their weighted sum as brackets.

Two cross-fitted classifiers, one of prompts and one of pairs, bracket each quantity at every λ from one
fit (Theorem 4 and :mod:`tradeoffbounds.bounds.classifier_bound`). With E_{D_f}[log 1/w] <= U and
E_f[log 1/r] <= V for any classifiers,

    upper end = U(prompts),     lower end = H(prompts) - V(pairs).

The upper end needs nothing else. The lower end is a proper lower bound where the prompt term H is known
exactly, that is where both sources share their prompts and w = 1/(1+λ). Otherwise H is U less the prompt
classifier's own excess, and the lower end says that it rests on this. A well-specified classifier's excess
falls like 1/(rows it was trained on), so the same rows scored by classifiers trained on half of
the data (2 folds) and on four fifths (5 folds) tell it: with losses U_2 and U_5,

    excess of U_5 = (1/0.8) / (1/0.5 - 1/0.8) (U_2 - U_5) = 5/3 (U_2 - U_5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tradeoffbounds.bounds import classifier_bound
from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.classifier_bound import LossFunction, RowLosses
from tradeoffbounds.bounds.confidence import bootstrap_means, percentile_interval
from tradeoffbounds.overlap.classifiers import cross_fitted
from tradeoffbounds.overlap.domain import Domain, mix, shares_prompts

Array = np.ndarray

RESAMPLES = 1000
STILL_MOVING = (
    "no flat learning curve shows that the prompt classifier has nothing left to learn: only 0 is a safe lower limit"
)
NO_UPPER_END = (
    "no upper end: the proxy answers differently from the alignment data, "
    "and KL(mu|mu_hat) has no upper bound from samples"
)
#: Quantity -> its loss and the bound on it that is known without data.
QUANTITIES: dict[str, tuple[LossFunction, Callable[[float], float]]] = {
    "total": (classifier_bound.total_losses, classifier_bound.trivial_total),
    "capability_gap": (classifier_bound.capability_losses, classifier_bound.trivial_capability),
    "proxy_gap": (classifier_bound.proxy_losses, classifier_bound.trivial_proxy),
}


@dataclass(frozen=True)
class LogRatios:
    """Out-of-sample log p(capability)/p(proxy) at λ = 1 of every row, of its prompt and of its pair."""

    capability_prompts: Float[Array, " n"]
    capability_pairs: Float[Array, " n"]
    proxy_prompts: Float[Array, " m"]
    proxy_pairs: Float[Array, " m"]
    #: The prompts again, (capability, proxy), by classifiers trained on half of the rows.
    by_half: tuple[Float[Array, " n"], Float[Array, " m"]]
    shared_prompts: bool


@dataclass(frozen=True)
class Curve:
    """A bracket over penalties, nats per response.

    ``lower`` and ``upper`` are the two ends; ``band`` their outer confidence limits (2.5% beyond either
    at 95%), so [band[0], band[1]] covers the quantity. All arrays have one entry a penalty.
    """

    penalties: Float[Array, " k"]
    lower: Float[Array, " k"]
    upper: Float[Array, " k"]
    band: tuple[Float[Array, " k"], Float[Array, " k"]]
    confidence: float
    lower_is_bound: bool
    upper_is_bound: bool = True
    flat: bool = True

    @property
    def lower_can_be_trusted(self) -> bool:
        """False where the lower end rests on a prompt classifier that more rows would still improve.

        Its log-loss then overstates H(Z|X), and only 0 is safe as a lower limit.
        """
        return self.lower_is_bound or self.flat

    def ends_at(self, penalty: float, theorem: str) -> tuple[Bound, Bound]:
        """(lower, upper) at one of the penalties, with kinds, intervals and assumptions."""
        at = int(np.argmin(np.abs(np.log(self.penalties / penalty))))
        interval = (float(self.band[0][at]) if self.lower_can_be_trusted else 0.0, float(self.band[1][at]))
        calibrated = () if self.lower_is_bound else ("calibrated-prompts",)
        shared = ("shared-prompts",) if self.lower_is_bound else ()
        low = float(self.lower[at])
        high = float(self.upper[at]) if self.upper_is_bound else math.inf
        return (
            Bound(
                low, "estimated", "lower", interval=(min(interval[0], low), low), confidence=self.confidence,
                method="bootstrap", assumptions=("A2", "iid", *calibrated, *shared), theorem=f"{theorem}, lower end",
                status="ok" if self.lower_can_be_trusted else STILL_MOVING,
            ),
            Bound(
                high, "estimated", "upper", interval=(high, max(interval[1], high)), confidence=self.confidence,
                method="bootstrap", assumptions=("A2", "iid", *shared), theorem=f"{theorem}, upper end",
                status="ok" if self.upper_is_bound else NO_UPPER_END,
            ),
        )  # fmt: skip


def log_ratios(capability: Domain, proxy: Domain, *, seed: int) -> LogRatios:
    """Cross-fit both classifiers. Where the prompts are shared, the prompt classifier is known: 0 everywhere."""
    shared = shares_prompts(capability, proxy)
    if shared:
        # Row i of either source then answers the same prompt, and the bootstrap can keep them together.
        capability, proxy = (each.subset(np.argsort(each.groups, kind="stable")) for each in (capability, proxy))
    mixed = mix([capability, proxy])
    is_capability = mixed.labels == 0
    prompts = half = np.zeros(len(mixed.labels))
    if not shared:
        prompts = _log_ratio(cross_fitted(mixed.prompts, mixed.labels, mixed.groups, seed=seed))
        half = _log_ratio(cross_fitted(mixed.prompts, mixed.labels, mixed.groups, seed=seed, folds=2))
    pairs = _log_ratio(cross_fitted(mixed.pairs, mixed.labels, mixed.groups, seed=seed))
    return LogRatios(
        prompts[is_capability], pairs[is_capability], prompts[~is_capability], pairs[~is_capability],
        (half[is_capability], half[~is_capability]), shared,
    )  # fmt: skip


def curves(ratios: LogRatios, penalties: Sequence[float], *, confidence: float, seed: int) -> dict[str, Curve]:
    """The brackets of ``total`` = G_f + λ Ĝ_s, ``capability_gap`` and ``proxy_gap`` at P_λ.

    Coq: ClassifierBound.classifier_total, LowerEnds.theorem4_lower, LowerEnds.theorem4_capability_lower,
        LowerEnds.theorem4_proxy_lower
    """
    return {
        quantity: _curve(ratios, np.asarray(penalties, dtype=float), loss, trivial, confidence, seed)
        for quantity, (loss, trivial) in QUANTITIES.items()
    }


def _curve(
    ratios: LogRatios,
    penalties: Array,
    loss: LossFunction,
    trivial: Callable[[float], float],
    confidence: float,
    seed: int,
) -> Curve:
    by_prompts = [loss(ratios.capability_prompts, ratios.proxy_prompts, penalty) for penalty in penalties]
    by_half = [loss(*ratios.by_half, penalty) for penalty in penalties]
    by_pairs = [loss(ratios.capability_pairs, ratios.proxy_pairs, penalty) for penalty in penalties]
    cap = np.array([trivial(penalty) for penalty in penalties])
    seeds = (seed, seed if ratios.shared_prompts else seed + 1)
    upper, upper_replicates = _mean_and_replicates(by_prompts, seeds)
    differences = []
    for five, half, pair in zip(by_prompts, by_half, by_pairs, strict=True):
        # By noise the excess can come out negative; it is not, and H must not rise above its own upper bound.
        factor = 5 / 3 if half.value > five.value else 0.0
        differences.append(
            RowLosses(
                five.capability - factor * (half.capability - five.capability) - pair.capability,
                five.proxy - factor * (half.proxy - five.proxy) - pair.proxy,
            )
        )
    information, lower_replicates = _mean_and_replicates(differences, seeds)
    low_band, _ = percentile_interval(lower_replicates, confidence)
    _, high_band = percentile_interval(upper_replicates, confidence)
    upper = np.minimum(upper, cap)
    lower = np.clip(information, 0.0, upper)
    return Curve(
        penalties=penalties,
        lower=lower,
        upper=upper,
        band=(np.clip(low_band, 0.0, lower), np.clip(high_band, upper, cap)),
        confidence=confidence,
        lower_is_bound=ratios.shared_prompts,
    )


def _mean_and_replicates(losses: list[RowLosses], seeds: tuple[int, int]) -> tuple[Array, Array]:
    """Value per penalty, shape (k,), and its bootstrap replicates, shape (b, k); equal seeds resample row pairs."""
    capability = np.stack([each.capability for each in losses], axis=1)
    proxy = np.stack([each.proxy for each in losses], axis=1)
    replicates = bootstrap_means(capability, resamples=RESAMPLES, seed=seeds[0]) + bootstrap_means(
        proxy, resamples=RESAMPLES, seed=seeds[1]
    )
    return capability.mean(axis=0) + proxy.mean(axis=0), replicates


def _log_ratio(log_posteriors: Array) -> Array:
    return log_posteriors[:, 0] - log_posteriors[:, 1]
