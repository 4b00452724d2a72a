"""Theorem 1: the true safety gap G_s(P), bounded through the proxy.

Source: arXiv:2503.20807, Theorem 1, of which the terms are the paper's and the constants ours; the
decomposition and the refined form are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tradeoffbounds.bounds.bound import Bound, product
from tradeoffbounds.bounds.divergences import kl
from tradeoffbounds.bounds.finite import FiniteProblem, Policy, expectation


def paper(
    proxy_gap: Bound,
    largest_kl: Bound,
    prompt_tv: Bound,
    response_kl: Bound,
    largest_log_ratio: Bound,
    response_tv: Bound,
) -> Bound:
    r"""G_s(P) <= Ĝ_s(P) + B TV(D, D̂) + E_{x~D̂}[ KL(μ(x)|μ̂(x)) + 2 C TV(μ(x), μ̂(x)) ].

    For every policy P with A1: KL(μ(x)|P(x)) <= B and |log μ̂(y|x)/P(y|x)| <= C on the supports.

    Args:
        proxy_gap: Ĝ_s(P), or an upper bound on it (:mod:`theorem2` has three).
        largest_kl: B, nats.
        prompt_tv: TV(D, D̂), a probability.
        response_kl: E_{x~D̂} KL(μ(x)|μ̂(x)), nats.
        largest_log_ratio: C, nats.
        response_tv: E_{x~D̂} TV(μ(x), μ̂(x)), a probability.

    Returns:
        An upper bound on G_s(P); ``inf`` where B or C is, that is where A1 fails.

    Coq: Theorem1.theorem1_paper
    """
    if math.isinf(largest_kl.value) or math.isinf(largest_log_ratio.value):
        return Bound(
            math.inf, "certified", "upper", assumptions=("A1",), theorem="theorem 1, paper",
            status="vacuous: A1 fails, no finite B and C",
        )  # fmt: skip
    prompt_shift = product(largest_kl, prompt_tv, "B TV(D, D_hat)")
    response_shift = product(largest_log_ratio * 2.0, response_tv, "2 C E TV(mu, mu_hat)")
    total = proxy_gap + prompt_shift + response_kl + response_shift
    return total.named("theorem 1, paper", "A1", side="upper")


def refined(response_kl: Bound, prompt_cost: Bound) -> Bound:
    r"""G_s(P_λ) <= E_{x~D} KL(μ(x)|μ̂(x)) + E_{x~D} log(1 + D_f(x) / (λ D̂(x))).

    Since P_λ >= (1-w) μ̂ pointwise; neither a TV nor a supremum. Infinite where D reaches prompts that
    D_f reaches and D̂ does not.

    Args:
        response_kl: E_{x~D} KL(μ(x)|μ̂(x)), nats.
        prompt_cost: E_{x~D} log(1/(1 - w(x))), nats.

    Coq: Theorem1.theorem1_refined
    """
    return (response_kl + prompt_cost).named("theorem 1, refined", "A2", side="upper")


@dataclass(frozen=True)
class Decomposition:
    """G_s(P) = proxy_gap + prompt_shift + response_shift, exact and signed, in nats.

    ``nan`` in a shift means that the gap is infinite there and the difference undefined.
    """

    proxy_gap: float
    prompt_shift: float
    response_shift: float

    @property
    def safety_gap(self) -> float:
        return self.proxy_gap + self.prompt_shift + self.response_shift


def decompose(problem: FiniteProblem, policy: Policy) -> Decomposition:
    r"""The three differences that Theorem 1 bounds one by one.

    prompt shift   = Σ_x (D - D̂)(x) KL(μ(x)|P(x))                  <= B TV(D, D̂)
    response shift = E_{x~D̂}[ KL(μ(x)|P(x)) - KL(μ̂(x)|P(x)) ]      <= E_D̂[ KL(μ|μ̂) + 2C TV(μ, μ̂) ]

    Coq: Theorem1.theorem1_decomposition, Theorem1.theorem1_shifts_bounded
    """
    to_policy = kl(problem.mu, policy)
    proxy_gap = problem.proxy_gap(policy)
    on_proxy_prompts = expectation(problem.D_hat, to_policy)
    # inf - inf is left as NaN on purpose: the decomposition does not exist there.
    with np.errstate(invalid="ignore"):
        return Decomposition(
            proxy_gap=proxy_gap,
            prompt_shift=float(np.subtract(problem.safety_gap(policy), on_proxy_prompts)),
            response_shift=float(np.subtract(on_proxy_prompts, proxy_gap)),
        )
