"""Where the sources are models their likelihoods are known, and the gaps at P_λ are exact but for sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.theorem4 import log_mixture

Array = np.ndarray


@dataclass(frozen=True)
class Likelihoods:
    """log-likelihoods, nats a response, of sampled responses under each source.

    Each array has shape (n, sources): row i was drawn from the array's own source; columns are
    alignment, proxy, capability. Row i answers prompt i in every array, so w(x) = 1/(1+λ).
    """

    alignment: Float[Array, "n 3"]
    proxy: Float[Array, "n 3"]
    capability: Float[Array, "n 3"]


def exact_gaps(likelihoods: Likelihoods, penalty: float, *, confidence: float) -> dict[str, Bound]:
    """G_s, Ĝ_s, G_f and total = G_f + λĜ_s at P_λ = (μ_f + λμ̂)/(1+λ), with intervals from the normal limit.

    The log-ratios are exact; only the mean over sampled responses is not, hence kind ``predicted``.
    """
    rows = {
        "safety_gap": _log_ratio(likelihoods.alignment, 0, penalty),
        "proxy_gap": _log_ratio(likelihoods.proxy, 1, penalty),
        "capability_gap": _log_ratio(likelihoods.capability, 2, penalty),
    }
    gaps = {name: _mean(values, confidence, name) for name, values in rows.items()}
    # Row by row, because the sources answer the same prompts and their errors are not independent.
    total = rows["capability_gap"] + penalty * rows["proxy_gap"]
    return gaps | {"total": _mean(total, confidence, "total")}


def _log_ratio(log_likelihoods: Array, own: int, penalty: float) -> Array:
    """log of own source over P_λ, one entry a row."""
    prompt_logits = np.zeros(len(log_likelihoods))
    return log_likelihoods[:, own] - log_mixture(log_likelihoods[:, 2], log_likelihoods[:, 1], prompt_logits, penalty)


def _mean(rows: Array, confidence: float, name: str) -> Bound:
    from scipy.stats import norm

    error = float(norm.ppf((1 + confidence) / 2) * rows.std(ddof=1) / np.sqrt(len(rows)))
    return _with_interval(float(rows.mean()), error, confidence, name)


def _with_interval(value: float, error: float, confidence: float, name: str) -> Bound:
    return Bound(
        value, "predicted", interval=(value - error, value + error), confidence=confidence,
        method="likelihood ratios, normal interval of the mean", assumptions=("A2", "iid", "shared-prompts"),
        theorem=f"theorem 4, {name.replace('_', ' ')} by likelihood ratios",
    )  # fmt: skip
