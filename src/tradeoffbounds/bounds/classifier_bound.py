"""The classifier bound: the held-out log-loss of any prompt classifier bounds the trade-off. Ours.

For any q: X -> (0, 1), comparing with the policy q μ_f + (1-q) μ̂ gives

    G_f(P_λ) + λ Ĝ_s(P_λ) <= E_{D_f}[log 1/q] + λ E_{D̂}[log 1/(1-q)] + δ + κ.

It also splits. By log u <= u/c - 1 + log c with u = 1/w and c = 1/q, and since E_{D_f}[q/w] <=
E_{D_f}[q] + λ E_{D̂}[q],

    G_f(P_λ) <= E_{D_f}[log 1/w]     <= E_{D_f}[log 1/q + q - 1] + λ E_{D̂}[q]
    Ĝ_s(P_λ) <= E_{D̂}[log 1/(1-w)]  <= E_{D̂}[log 1/(1-q) - q] + (1/λ) E_{D_f}[1-q],

each an equality at q = w, and the first plus λ times the second is the bound above. So both gaps have
an upper bound of their own from prompts alone, however poor the classifier. The same two losses of a
classifier r(x, y) of pairs bound E_f[log 1/r] and E_ŝ[log 1/(1-r)] from above, which turns an exact
prompt term into a *lower* bound on each gap (Theorem 4).

``logits`` are log q/(1-q) at λ = 1 throughout; the penalty shifts them by -log λ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from tradeoffbounds.bounds.theorem4 import prior_shift

Array = np.ndarray


@dataclass(frozen=True)
class RowLosses:
    """Terms of a bound: its value is ``capability.mean() + proxy.mean()``, in nats per response.

    Attributes:
        capability: one term per capability row.
        proxy: one term per proxy row, already weighted.
    """

    capability: Float[Array, " n"]
    proxy: Float[Array, " m"]

    @property
    def value(self) -> float:
        return float(self.capability.mean() + self.proxy.mean())


#: One of the three losses below: (capability logits, proxy logits, penalty) -> terms.
LossFunction = Callable[[Array, Array, float], RowLosses]


def total_losses(capability_logits: Float[Array, " n"], proxy_logits: Float[Array, " m"], penalty: float) -> RowLosses:
    """Terms of G_f(P_λ) + λ Ĝ_s(P_λ) <= E_{D_f}[log 1/q] + λ E_{D̂}[log 1/(1-q)].

    Coq: ClassifierBound.classifier_total
    """
    return RowLosses(
        capability=-prior_shift(capability_logits, penalty, "capability"),
        proxy=-penalty * prior_shift(proxy_logits, penalty, "proxy"),
    )


def capability_losses(
    capability_logits: Float[Array, " n"], proxy_logits: Float[Array, " m"], penalty: float
) -> RowLosses:
    """Terms of G_f(P_λ) <= E_{D_f}[log 1/w] <= E_{D_f}[log 1/q + q - 1] + λ E_{D̂}[q].

    Coq: ClassifierBound.classifier_capability
    """
    missed = expit(np.log(penalty) - capability_logits)
    return RowLosses(
        capability=-prior_shift(capability_logits, penalty, "capability") - missed,
        proxy=penalty * expit(proxy_logits - np.log(penalty)),
    )


def proxy_losses(capability_logits: Float[Array, " n"], proxy_logits: Float[Array, " m"], penalty: float) -> RowLosses:
    """Terms of Ĝ_s(P_λ) <= E_{D̂}[log 1/(1-w)] <= E_{D̂}[log 1/(1-q) - q] + (1/λ) E_{D_f}[1-q].

    Coq: ClassifierBound.classifier_proxy
    """
    false_alarm = expit(proxy_logits - np.log(penalty))
    return RowLosses(
        capability=expit(np.log(penalty) - capability_logits) / penalty,
        proxy=-prior_shift(proxy_logits, penalty, "proxy") - false_alarm,
    )


def loss_ranges(loss: LossFunction, clip: float, penalty: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Smallest and largest term per capability row and per proxy row when |logit| <= ``clip``.

    Every loss is monotone in the logit, so the two ends are enough.
    """
    ends = np.array([-clip, clip])
    terms = loss(ends, ends, penalty)
    return (
        (float(terms.capability.min()), float(terms.capability.max())),
        (float(terms.proxy.min()), float(terms.proxy.max())),
    )


def trivial_total(penalty: float) -> float:
    """(1+λ) h(1/(1+λ)) = log(1+λ) + λ log(1+1/λ): the constant classifier's bound, known without data.

    Coq: ClassifierBound.trivial_total, ClassifierBound.trivial_is_entropy
    """
    return trivial_capability(penalty) + penalty * trivial_proxy(penalty)


def trivial_capability(penalty: float) -> float:
    """G_f(P_λ) <= log(1+λ), by Jensen and E_{D_f}[D̂/D_f] <= 1.

    Coq: ClassifierBound.trivial_capability
    """
    return float(np.log1p(penalty))


def trivial_proxy(penalty: float) -> float:
    """Ĝ_s(P_λ) <= log(1+1/λ).

    Coq: ClassifierBound.trivial_proxy
    """
    return float(np.log1p(1 / penalty))
