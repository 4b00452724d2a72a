"""How far apart two prompt distributions are: total variation, overlap mass, and KL from below."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logsumexp

from tradeoffbounds.bounds.bound import NATS, PROBABILITY, Bound
from tradeoffbounds.bounds.confidence import bootstrap_means, clopper_pearson, percentile_interval, resample_indices
from tradeoffbounds.overlap.certificate import HeldOut

Array = np.ndarray
_RESAMPLES = 1000


def tv_lower_bound(held_out: HeldOut, confidence: float) -> Bound:
    """TV(P, Q) >= P(classifier says P) - Q(classifier says P), certified on rows it never saw.

    The two rates have Clopper-Pearson limits, each at half of the error.

    Coq: FinSum.TV_range
    """
    level = 1 - (1 - confidence) / 2
    first, second = (
        clopper_pearson(int((rows > 0).sum()), len(rows), level) for rows in (held_out.first, held_out.second)
    )
    low, high = max(0.0, first[0] - second[1]), max(0.0, first[1] - second[0])
    return Bound(
        low, "certified", "lower", PROBABILITY, interval=(low, min(1.0, high)), confidence=confidence,
        method="clopper-pearson on held-out rows", assumptions=("iid",),
        theorem="total variation of prompts, lower bound",
    )  # fmt: skip


def tv_estimate(first: Float[Array, " n"], second: Float[Array, " m"], confidence: float, *, seed: int) -> Bound:
    """TV(P, Q) = E_{(P+Q)/2} |2 p(first|x) - 1| from calibrated log-ratios of the rows of either source."""
    replicates, value = [], 0.0
    for i, rows in enumerate((first, second)):
        distances = np.abs(2 * expit(rows) - 1)[:, None]
        value += float(distances.mean()) / 2
        replicates.append(bootstrap_means(distances, resamples=_RESAMPLES, seed=seed + i)[:, 0] / 2)
    low, high = (float(end) for end in percentile_interval(replicates[0] + replicates[1], confidence))
    return Bound(
        value, "estimated", "value", PROBABILITY, interval=(min(low, value), max(high, value)),
        confidence=confidence, method="bootstrap, without the classifier's own error",
        assumptions=("calibrated-prompts", "iid"),
        theorem="total variation of prompts",
    )  # fmt: skip


def overlap_mass(tv: Bound) -> Bound:
    """Σ_x min(P, Q) = 1 - TV(P, Q)."""
    one = Bound(1.0, "certified", unit=PROBABILITY)
    return (one - tv).named("overlap mass")


def kl_lower_bound(
    first: Float[Array, " n"], second: Float[Array, " m"], confidence: float, *, what: str, seed: int
) -> Bound:
    """KL(P|Q) >= E_P[T] - log E_Q[e^T] (Donsker and Varadhan 1983) with T the out-of-sample log-ratios.

    Even a perfect classifier shows at most about log n of it.
    """

    most = float(np.log(min(len(first), len(second))))

    def bound(rows_p: Array, rows_q: Array) -> Array:
        # n rows may miss Q's tail: a negative normaliser is not credited, nor more than log n in all.
        normaliser = logsumexp(rows_q, axis=-1) - np.log(rows_q.shape[-1])
        return np.clip(rows_p.mean(axis=-1) - np.maximum(normaliser, 0.0), 0.0, most)

    value = float(bound(first, second))
    indices = [
        resample_indices(len(rows), resamples=_RESAMPLES, seed=seed + i) for i, rows in enumerate((first, second))
    ]
    replicates = bound(first[indices[0]], second[indices[1]])
    low, high = (float(end) for end in percentile_interval(replicates, confidence))
    return Bound(
        value, "estimated", "lower", NATS, interval=(min(low, value), max(high, value)), confidence=confidence,
        method="bootstrap", assumptions=("iid",), theorem=f"Donsker-Varadhan, {what}",
        status=f"saturates near log n = {most:.1f} nats",
    )  # fmt: skip
