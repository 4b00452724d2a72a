"""The true safety gap G_s(P_λ) = E_{D,μ} log μ/P_λ from a three-way classifier of alignment, proxy, capability.

With t_a = log dμ D / dμ̂ D̂ and t_f = log dμ_f D_f / dμ̂ D̂ on pairs, and the same on prompts, Bayes' rule gives

    log μ̂(y|x)/P_λ(y|x) = log(e^{t_f(x)} + λ) - log(e^{t_f(x,y)} + λ)
    log μ(y|x)/μ̂(y|x)   = t_a(x,y) - t_a(x)

G_f and Ĝ_s have upper bounds from samples. KL(μ|μ̂) has none: where the two are easy to tell apart, the log-ratios
saturate near log n. So the lower end here is a Donsker-Varadhan bound that rests on a calibrated prompt
classifier, and what stands in the place of an upper end is an estimate of Theorem 1's refined sum, no bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from tradeoffbounds.bounds.confidence import percentile_interval, resample_indices
from tradeoffbounds.overlap.classifiers import cross_fitted
from tradeoffbounds.overlap.domain import Domain, mix
from tradeoffbounds.overlap.trade_off import Curve

Array = np.ndarray
_RESAMPLES = 400
ALIGNMENT, PROXY, CAPABILITY = 0, 1, 2
SATURATES = "response log-ratios saturate near log n: a proxy far from the alignment data costs more than this shows"


@dataclass(frozen=True)
class ThreeWay:
    """Out-of-sample log density ratios to the proxy, for prompts and pairs, per source of the row.

    ``alignment_ratio[source]`` is t_a, ``capability_ratio[source]`` is t_f, each as (prompts, pairs).
    """

    alignment_ratio: dict[int, tuple[Array, Array]]
    capability_ratio: dict[int, tuple[Array, Array]]


def three_way(alignment: Domain, proxy: Domain, capability: Domain, *, seed: int) -> ThreeWay:
    """Cross-fit the three-way classifiers of prompts and of pairs."""
    mixed = mix([alignment, proxy, capability])
    prompts = cross_fitted(mixed.prompts, mixed.labels, mixed.groups, seed=seed)
    pairs = cross_fitted(mixed.pairs, mixed.labels, mixed.groups, seed=seed)

    def ratio(source: int) -> dict[int, tuple[Array, Array]]:
        differences = [each[:, source] - each[:, PROXY] for each in (prompts, pairs)]
        return {row: tuple(d[mixed.labels == row] for d in differences) for row in range(3)}

    return ThreeWay(ratio(ALIGNMENT), ratio(CAPABILITY))


@dataclass(frozen=True)
class SafetyTerms:
    """Terms of Theorem 1 at one penalty, each an array over bootstrap replicates whose first entry is the estimate.

    Nats per response, but ``prompt_tv`` and ``response_tv``, which are probabilities.
    """

    gap_lower: Float[Array, " b"]
    response_kl: Float[Array, " b"]
    response_kl_on_proxy: Float[Array, " b"]
    response_tv: float
    prompt_cost: Float[Array, " b"]
    prompt_shift: Float[Array, " b"]
    response_shift: Float[Array, " b"]
    largest_kl: float
    largest_log_ratio: float

    @property
    def gap_upper(self) -> Float[Array, " b"]:
        """E_D KL(μ|μ̂) + E_D log(1 + D_f/(λD̂)): Theorem 1, refined."""
        return self.response_kl + self.prompt_cost


def safety_terms(ratios: ThreeWay, penalty: float, *, seed: int) -> SafetyTerms:
    """All terms at one penalty, bootstrapped over the rows of the three sources together."""
    log_penalty = np.log(penalty)

    def proxy_over_policy(source: int) -> Array:
        prompts, pairs = ratios.capability_ratio[source]
        return np.logaddexp(prompts, log_penalty) - np.logaddexp(pairs, log_penalty)

    def witness(source: int) -> Array:
        """log of (alignment / mixture of capability and λ proxy) of pairs, minus that of prompts."""
        prompts, pairs = ratios.alignment_ratio[source]
        return pairs - prompts + proxy_over_policy(source)

    a_prompts, a_pairs = ratios.alignment_ratio[ALIGNMENT]
    f_prompts, _ = ratios.capability_ratio[ALIGNMENT]
    per_row = {
        "response_kl": a_pairs - a_prompts,
        "prompt_cost": np.logaddexp(0.0, f_prompts - log_penalty),
        "gap": witness(ALIGNMENT),
    }
    # Under D̂ instead of D: alignment rows weighted by D̂/D, self-normalised.
    weights = np.exp(-a_prompts)
    proxy_gap_rows = proxy_over_policy(PROXY)
    # Donsker-Varadhan: the witness e^T has mean one under the mixture if the classifier is calibrated.
    mixture = [
        ratios.alignment_ratio[source][1] - np.logaddexp(ratios.capability_ratio[source][1], log_penalty)
        + np.log1p(penalty)
        for source in (PROXY, CAPABILITY)
    ]  # fmt: skip
    log_shares = -np.log1p(1 / penalty), -np.log1p(penalty)

    indices = [
        np.vstack([np.arange(len(rows)), resample_indices(len(rows), resamples=_RESAMPLES, seed=seed + i)])
        for i, rows in enumerate((a_prompts, mixture[0], mixture[1]))
    ]
    a, p, f = indices
    normaliser = np.logaddexp(
        log_shares[0] + logsumexp(mixture[0][p], axis=1) - np.log(p.shape[1]),
        log_shares[1] + logsumexp(mixture[1][f], axis=1) - np.log(f.shape[1]),
    )
    gap = per_row["gap"][a].mean(axis=1)
    proxy_gap = proxy_gap_rows[p].mean(axis=1)

    def under_proxy_prompts(rows: Array) -> Array:
        return (weights * rows)[a].sum(axis=1) / weights[a].sum(axis=1)

    on_proxy_prompts = under_proxy_prompts(per_row["gap"])
    p_prompts, p_pairs = ratios.alignment_ratio[PROXY]
    return SafetyTerms(
        gap_lower=np.maximum(gap - np.maximum(normaliser, 0.0), 0.0),
        response_kl=np.maximum(per_row["response_kl"][a].mean(axis=1), 0.0),
        response_kl_on_proxy=np.maximum(under_proxy_prompts(per_row["response_kl"]), 0.0),
        # E_D̂ TV(μ, μ̂) = E_{D̂,μ̂} (1 - μ/μ̂)_+
        response_tv=float(np.maximum(-np.expm1(p_pairs - p_prompts), 0.0).mean()),
        prompt_cost=per_row["prompt_cost"][a].mean(axis=1),
        prompt_shift=gap - on_proxy_prompts,
        response_shift=on_proxy_prompts - proxy_gap,
        largest_kl=float(max(per_row["gap"].max(), 0.0)),
        largest_log_ratio=float(max(np.abs(proxy_over_policy(s)).max() for s in (ALIGNMENT, PROXY))),
    )


def safety_curve(ratios: ThreeWay, penalties: Sequence[float], *, confidence: float, seed: int) -> Curve:
    """Lower end of G_s(P_λ), and as ``upper`` the estimate of Theorem 1, refined (``upper_is_bound`` is False)."""
    terms = [safety_terms(ratios, penalty, seed=seed) for penalty in penalties]
    low, _ = percentile_interval(np.stack([t.gap_lower[1:] for t in terms], axis=1), confidence)
    _, high = percentile_interval(np.stack([t.gap_upper[1:] for t in terms], axis=1), confidence)
    upper = np.array([t.gap_upper[0] for t in terms])
    lower = np.minimum([t.gap_lower[0] for t in terms], upper)
    return Curve(
        penalties=np.asarray(penalties, dtype=float),
        lower=lower,
        upper=upper,
        band=(np.minimum(low, lower), np.maximum(high, upper)),
        confidence=confidence,
        lower_is_bound=False,
        upper_is_bound=False,
    )
