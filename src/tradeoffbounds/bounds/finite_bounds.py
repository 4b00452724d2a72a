"""Every theorem evaluated exactly on a finite problem, beside the quantity it bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tradeoffbounds.bounds import theorem1, theorem2, theorem4
from tradeoffbounds.bounds.bound import PROBABILITY, Bound, exact
from tradeoffbounds.bounds.divergences import conditional_mutual_information, kl, total_variation
from tradeoffbounds.bounds.finite import Array, FiniteProblem, Policy, expectation


@dataclass(frozen=True)
class Checked:
    """A bound and the exact quantity that it bounds, both in nats per response."""

    bound: Bound
    quantity: float

    @property
    def tightness(self) -> float:
        """bound / quantity; ``inf`` where the quantity is 0 and the bound is not, 1 where both are 0."""
        if self.quantity == 0:
            return 1.0 if self.bound.value == 0 else math.inf
        return self.bound.value / self.quantity

    @property
    def holds(self) -> bool:
        """No violation beyond float error (1e-9 relative, 1e-12 absolute)."""
        slack = 1e-12 + 1e-9 * abs(self.quantity)
        return self.bound.value == math.inf or self.bound.value >= self.quantity - slack


def case_one(problem: FiniteProblem, penalty: float) -> dict[str, Checked]:
    """Theorems 1, 2 and 4 at P_λ, every variant, by name."""
    policy = problem.optimal_policy(penalty)
    capability_gap, proxy_gap = problem.optimal_gaps(penalty)
    safety_gap = problem.safety_gap(policy)
    proxy_divergence, capability_divergence = _overlap_divergences(problem)
    capability_cost, proxy_cost, safety_cost = (
        exact(expectation(weights, cost)) for weights, cost in _prompt_costs(problem, penalty)
    )
    information = exact(minimum_by_information(problem, penalty))
    proxy_bound = theorem2.proxy_gap(penalty, proxy_divergence, capability_divergence, proxy_cost)
    variants = {
        "theorem1.paper": (_theorem1_paper(problem, policy, proxy_bound), safety_gap),
        "theorem1.refined": (
            theorem1.refined(exact(expectation(problem.D, kl(problem.mu, problem.mu_hat))), safety_cost),
            safety_gap,
        ),
        "theorem2.paper": (theorem2.paper(penalty, proxy_divergence), capability_gap),
        "theorem2.b": (theorem2.proxy_comparator(capability_divergence), capability_gap),
        "theorem2.c": (theorem2.prompts_alone(capability_cost), capability_gap),
        "theorem2.d": (theorem2.trade_off_value(information), capability_gap),
        "theorem2.refined": (
            theorem2.refined(penalty, proxy_divergence, capability_divergence, capability_cost, information),
            capability_gap,
        ),
        "theorem2.proxy": (proxy_bound, proxy_gap),
    }
    return {name: Checked(bound, quantity) for name, (bound, quantity) in variants.items()}


def theorem1_paper(problem: FiniteProblem, policy: Policy) -> Bound:
    """Theorem 1 (paper) for any policy, with the smallest B and C that satisfy A1 for it."""
    return _theorem1_paper(problem, policy, exact(problem.proxy_gap(policy)))


def minimum_by_information(problem: FiniteProblem, penalty: float) -> float:
    """(1+λ) I(Z;Y|X) from the joint table alone, without P_λ."""
    return (1 + penalty) * conditional_mutual_information(problem.joint(penalty))


def capability_gap_by_bayes(problem: FiniteProblem, penalty: float) -> float:
    """G_f(P_λ) = E_f[log r(x,y) - log a(x)] from the posteriors of the joint table."""
    pair_logits, prompt_logits = _posterior_logits(problem)
    terms = theorem4.capability_gap(pair_logits.ravel(), prompt_logits.ravel(), penalty)
    return expectation((problem.D_f[:, None] * problem.mu_f).ravel(), terms)


def proxy_gap_by_bayes(problem: FiniteProblem, penalty: float) -> float:
    """Ĝ_s(P_λ) = E_ŝ[log(1-r(x,y)) - log(1-a(x))] from the posteriors of the joint table."""
    pair_logits, prompt_logits = _posterior_logits(problem)
    terms = theorem4.proxy_gap(pair_logits.ravel(), prompt_logits.ravel(), penalty)
    return expectation((problem.D_hat[:, None] * problem.mu_hat).ravel(), terms)


def _theorem1_paper(problem: FiniteProblem, policy: Policy, proxy_gap: Bound) -> Bound:
    reached = (problem.D > 0) | (problem.D_hat > 0)
    largest_kl = np.max(kl(problem.mu, policy), where=reached, initial=0.0)
    supports = (problem.D_hat > 0)[:, None] & ((problem.mu > 0) | (problem.mu_hat > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratios = np.abs(np.log(problem.mu_hat) - np.log(policy))
    # 0/0 inside a support is an infinite KL(mu|P) already; count it as infinite, not as absent.
    log_ratios = np.where(np.isnan(log_ratios), np.inf, log_ratios)
    largest_log_ratio = np.max(log_ratios, where=supports, initial=0.0)
    return theorem1.paper(
        proxy_gap=proxy_gap,
        largest_kl=exact(float(largest_kl)),
        prompt_tv=exact(problem.prompt_tv(), unit=PROBABILITY),
        response_kl=exact(expectation(problem.D_hat, kl(problem.mu, problem.mu_hat))),
        largest_log_ratio=exact(float(largest_log_ratio)),
        response_tv=exact(expectation(problem.D_hat, total_variation(problem.mu, problem.mu_hat)), unit=PROBABILITY),
    )


def _overlap_divergences(problem: FiniteProblem) -> tuple[Bound, Bound]:
    """Σ_O D̂ KL(μ̂|μ_f) and Σ_O D_f KL(μ_f|μ̂)."""
    overlap = problem.overlap()
    return (
        exact(expectation(problem.D_hat * overlap, kl(problem.mu_hat, problem.mu_f))),
        exact(expectation(problem.D_f * overlap, kl(problem.mu_f, problem.mu_hat))),
    )


def _prompt_costs(problem: FiniteProblem, penalty: float) -> list[tuple[Array, Array]]:
    """Weights and values of E_{D_f} log 1/w, E_{D̂} log 1/(1-w) and E_D log 1/(1-w)."""
    logits = problem.prompt_logits(penalty)
    logits = np.where(np.isnan(logits), -np.inf, logits)  # reached by neither: as if by the proxy
    to_capability, to_proxy = np.logaddexp(0, -logits), np.logaddexp(0, logits)
    return [(problem.D_f, to_capability), (problem.D_hat, to_proxy), (problem.D, to_proxy)]


def _posterior_logits(problem: FiniteProblem) -> tuple[Array, Array]:
    """log r/(1-r) per pair and log a/(1-a) per prompt (repeated along y), at λ = 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        prompt = (np.log(problem.D_f) - np.log(problem.D_hat))[:, None]
        pair = prompt + np.log(problem.mu_f) - np.log(problem.mu_hat)
    return pair, np.broadcast_to(prompt, pair.shape)
