"""Theorem 4: the whole trade-off is one conditional mutual information. Ours.

Z is ``capability`` with probability 1/(1+λ), else ``proxy``; X and Y are drawn from that source. A
*logit* is log p(Z=f)/p(Z=ŝ): ``prompt_logits`` given x, ``pair_logits`` given (x, y). Logits hold at
λ = 1; another penalty is a prior shift that subtracts log λ.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import log_expit

from tradeoffbounds.bounds.bound import Bound

Array = np.ndarray


def minimum(penalty: float, prompt_entropy: Bound, pair_entropy: Bound) -> Bound:
    r"""min_P [G_f(P) + λ Ĝ_s(P)] = (1+λ) I(Z; Y | X) = (1+λ) [H(Z|X) - H(Z|X,Y)].

    A classifier's cross-entropy is an upper bound on the entropy it estimates, so with an exact
    ``prompt_entropy`` and a cross-entropy for ``pair_entropy`` the result is a lower bound.

    Args:
        prompt_entropy: H(Z|X), nats.
        pair_entropy: H(Z|X,Y), nats.

    Coq: Theorem4.theorem4, Theorem4.theorem4_minimum, Theorem4.theorem4_entropies, LowerEnds.theorem4_lower
    """
    return ((prompt_entropy - pair_entropy) * (1 + penalty)).named("theorem 4")


def capability_gap(
    pair_logits: Float[Array, " n"], prompt_logits: Float[Array, " n"], penalty: float
) -> Float[Array, " n"]:
    r"""G_f(P_λ) = E_f[log r(x,y) - log a(x)]: one term per capability row, nats; their mean is the gap.

    Coq: Theorem4.theorem4_capability_gap
    """
    with np.errstate(invalid="ignore"):  # rows of probability 0 in a table may give inf - inf
        posterior, prior = (prior_shift(logits, penalty, "capability") for logits in (pair_logits, prompt_logits))
        return posterior - prior


def proxy_gap(pair_logits: Float[Array, " n"], prompt_logits: Float[Array, " n"], penalty: float) -> Float[Array, " n"]:
    r"""Ĝ_s(P_λ) = E_ŝ[log(1-r(x,y)) - log(1-a(x))]: one term per proxy row, nats.

    Coq: Theorem4.theorem4_proxy_gap
    """
    with np.errstate(invalid="ignore"):
        return prior_shift(pair_logits, penalty, "proxy") - prior_shift(prompt_logits, penalty, "proxy")


def prior_shift(logits: Float[Array, " n"], penalty: float, source: str) -> Float[Array, " n"]:
    """log p(Z = source) at the prior 1 : λ, from logits at the prior 1 : 1.

    In logs throughout: at λ = 1e6 or for a large logit the probability itself may round to 0 or 1.

    Coq: PriorShift.prior_shift, PriorShift.prior_shift_pair, PriorShift.prior_shift_prompt
    """
    shifted = logits - np.log(penalty)
    return log_expit(shifted if source == "capability" else -shifted)


def log_mixture(
    log_capability: Float[Array, " n"],
    log_proxy: Float[Array, " n"],
    prompt_logits: Float[Array, " n"],
    penalty: float,
) -> Float[Array, " n"]:
    """log P_λ(y|x) of Proposition 0, P_λ = w μ_f + (1-w) μ̂, from log-likelihoods, nats."""
    return np.logaddexp(
        prior_shift(prompt_logits, penalty, "capability") + log_capability,
        prior_shift(prompt_logits, penalty, "proxy") + log_proxy,
    )
