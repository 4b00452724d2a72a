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
from tradeoffbounds.overlap.domain import Domain, mix, shares_prompts
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

    def proxy_over_policy(self, source: int, penalty: float) -> Array:
        """log μ̂/P_λ at the rows of a source."""
        prompts, pairs = self.capability_ratio[source]
        return np.logaddexp(prompts, np.log(penalty)) - np.logaddexp(pairs, np.log(penalty))

    def alignment_over_proxy(self, source: int) -> Array:
        """log μ/μ̂ at the rows of a source."""
        prompts, pairs = self.alignment_ratio[source]
        return pairs - prompts

    def log_normaliser(self, rows: dict[int, Array], penalty: float) -> Array:
        """log E_M[e^T] over the mixture M = (D_f μ_f + λ D̂ μ̂)/(1+λ), with T the pairs' log of D μ/M.

        Zero where the classifier is calibrated; Donsker and Varadhan (1983) subtract it from E_{D,μ}[T].

        Args:
            rows: bootstrap indices of the proxy and of the capability rows, each of shape (b, n).
        """
        shares = {PROXY: -np.log1p(1 / penalty), CAPABILITY: -np.log1p(penalty)}

        def mean(source: int) -> Array:
            capability = self.capability_ratio[source][1]
            witness = self.alignment_ratio[source][1] - np.logaddexp(capability, np.log(penalty)) + np.log1p(penalty)
            index = rows[source]
            return np.asarray(shares[source] + logsumexp(witness[index], axis=1) - np.log(index.shape[1]))

        return np.logaddexp(mean(PROXY), mean(CAPABILITY))


def three_way(alignment: Domain, proxy: Domain, capability: Domain, *, seed: int) -> ThreeWay:
    """Cross-fit the three-way classifiers; alignment and proxy prompts that are the same by design are not fitted."""
    mixed = mix([alignment, proxy, capability])
    prompts = cross_fitted(mixed.prompts, mixed.labels, mixed.groups, seed=seed)
    pairs = cross_fitted(mixed.pairs, mixed.labels, mixed.groups, seed=seed)

    def ratio(source: int) -> dict[int, tuple[Array, Array]]:
        differences = [each[:, source] - each[:, PROXY] for each in (prompts, pairs)]
        return {row: tuple(d[mixed.labels == row] for d in differences) for row in range(3)}

    to_proxy = ratio(ALIGNMENT)
    if shares_prompts(alignment, proxy):
        to_proxy = {row: (np.zeros_like(of_prompts), of_pairs) for row, (of_prompts, of_pairs) in to_proxy.items()}
    return ThreeWay(to_proxy, ratio(CAPABILITY))


@dataclass(frozen=True)
class SafetyTerms:
    """Terms of Theorem 1 at one penalty, nats per response (``response_tv``: a probability).

    Arrays run over bootstrap replicates; their first entry is the estimate.
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
    def refined(self) -> Float[Array, " b"]:
        """E_D KL(μ|μ̂) + E_D log(1 + D_f/(λD̂)): Theorem 1, refined."""
        return self.response_kl + self.prompt_cost


def safety_terms(ratios: ThreeWay, penalty: float, *, seed: int) -> SafetyTerms:
    """All terms at one penalty, bootstrapped over the rows of the three sources together."""
    prompts_to_proxy = ratios.alignment_ratio[ALIGNMENT][0]
    to_proxy = ratios.alignment_over_proxy(ALIGNMENT)
    to_policy = to_proxy + ratios.proxy_over_policy(ALIGNMENT, penalty)
    prompt_cost = np.logaddexp(0.0, ratios.capability_ratio[ALIGNMENT][0] - np.log(penalty))
    proxy_rows = ratios.proxy_over_policy(PROXY, penalty)
    index = {
        source: _with_resamples(len(ratios.alignment_ratio[source][0]), seed + source)
        for source in (ALIGNMENT, PROXY, CAPABILITY)
    }
    a = index[ALIGNMENT]
    # Under D̂ instead of D: alignment rows weighted by D̂/D, self-normalised.
    weights = np.exp(-prompts_to_proxy)[a]
    weights /= weights.sum(axis=1, keepdims=True)
    gap, proxy_gap = to_policy[a].mean(axis=1), proxy_rows[index[PROXY]].mean(axis=1)
    on_proxy_prompts = (weights * to_policy[a]).sum(axis=1)
    normaliser = ratios.log_normaliser(index, penalty)
    return SafetyTerms(
        # A negative normaliser would raise the bound on the strength of few rows; it is not used.
        gap_lower=np.maximum(gap - np.maximum(normaliser, 0.0), 0.0),
        response_kl=np.maximum(to_proxy[a].mean(axis=1), 0.0),
        response_kl_on_proxy=np.maximum((weights * to_proxy[a]).sum(axis=1), 0.0),
        # E_D̂ TV(μ, μ̂) = E_{D̂,μ̂} (1 - μ/μ̂)_+
        response_tv=float(np.maximum(-np.expm1(ratios.alignment_over_proxy(PROXY)), 0.0).mean()),
        prompt_cost=prompt_cost[a].mean(axis=1),
        prompt_shift=gap - on_proxy_prompts,
        response_shift=on_proxy_prompts - proxy_gap,
        largest_kl=float(max(to_policy.max(), 0.0)),
        largest_log_ratio=float(max(np.abs(ratios.proxy_over_policy(s, penalty)).max() for s in (ALIGNMENT, PROXY))),
    )


def safety_curve(ratios: ThreeWay, penalties: Sequence[float], *, confidence: float, seed: int) -> Curve:
    """Lower end of G_s(P_λ), and as ``upper`` the estimate of Theorem 1, refined (``upper_is_bound`` is False)."""
    terms = [safety_terms(ratios, penalty, seed=seed) for penalty in penalties]
    low, _ = percentile_interval(np.stack([t.gap_lower[1:] for t in terms], axis=1), confidence)
    _, high = percentile_interval(np.stack([t.refined[1:] for t in terms], axis=1), confidence)
    upper = np.array([t.refined[0] for t in terms])
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


def _with_resamples(n: int, seed: int) -> Array:
    """All rows once, for the estimate, then bootstrap resamples: shape (1 + resamples, n)."""
    return np.vstack([np.arange(n), resample_indices(n, resamples=_RESAMPLES, seed=seed)])
