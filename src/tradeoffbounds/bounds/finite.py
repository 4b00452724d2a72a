"""Finite problems: six tables in, every quantity of the theory out, exactly.

Prompts are rows 0..X-1 and responses columns 0..Y-1. This is the ground truth that every bound and
every estimator is tested against.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from tradeoffbounds.bounds.divergences import kl, kl_to_mixture, total_variation

Array = np.ndarray
Policy = Float[Array, "x y"]


@dataclass(frozen=True, eq=False)
class FiniteProblem:
    """Alignment (D, mu), proxy (D_hat, mu_hat) and capability (D_f, mu_f) sources as tables.

    Args:
        D, D_hat, D_f: prompt distributions, shape (X,); zeros allowed.
        mu, mu_hat, mu_f: response distributions, shape (X, Y), rows sum to one; zeros allowed.

    Raises:
        ValueError: a shape does not fit, an entry is negative or not finite, a row does not sum to 1.
    """

    D: Float[Array, " x"]
    mu: Float[Array, "x y"]
    D_hat: Float[Array, " x"]
    mu_hat: Float[Array, "x y"]
    D_f: Float[Array, " x"]
    mu_f: Float[Array, "x y"]

    def __post_init__(self) -> None:
        shape = np.shape(self.mu)
        for field in fields(self):
            table = np.asarray(getattr(self, field.name), dtype=float)
            expected = shape[:1] if field.name.startswith("D") else shape
            if table.shape != expected:
                raise ValueError(f"`{field.name}` must have shape {expected}, got {table.shape}")
            if not np.all(np.isfinite(table)) or np.any(table < 0):
                raise ValueError(f"`{field.name}` must hold finite probabilities >= 0")
            if np.any(np.abs(table.sum(axis=-1) - 1) > 1e-9):
                sums = table.sum(axis=-1)
                raise ValueError(f"`{field.name}` must sum to 1 along its last axis, got {sums}")
            object.__setattr__(self, field.name, table)

    def prompt_logits(self, penalty: float) -> Float[Array, " x"]:
        """log w/(1-w) = log D_f - log(λ D̂) per prompt; NaN where neither source reaches."""
        _require_positive(penalty)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(self.D_f) - np.log(self.D_hat) - np.log(penalty)

    def weights(self, penalty: float) -> tuple[Float[Array, " x"], Float[Array, " x"]]:
        """(w, 1-w) of Proposition 0, both to full relative precision; (0, 1) where neither source reaches."""
        logits = self.prompt_logits(penalty)
        logits = np.where(np.isnan(logits), -np.inf, logits)
        return expit(logits), expit(-logits)

    def optimal_policy(self, penalty: float) -> Policy:
        """Proposition 0: P_λ(x) = w(x) μ_f(x) + (1-w(x)) μ̂(x).

        Where neither source reaches, the training leaves P free; μ̂ is taken, as if w = 0.

        Coq: Finite.proposition0, Finite.proposition0_unique
        """
        w, v = self.weights(penalty)
        return w[:, None] * self.mu_f + v[:, None] * self.mu_hat

    def safety_gap(self, policy: Policy) -> float:
        """G_s(P) = E_{x~D} KL(μ(x)|P(x))."""
        return expectation(self.D, kl(self.mu, policy))

    def proxy_gap(self, policy: Policy) -> float:
        """Ĝ_s(P) = E_{x~D̂} KL(μ̂(x)|P(x))."""
        return expectation(self.D_hat, kl(self.mu_hat, policy))

    def capability_gap(self, policy: Policy) -> float:
        """G_f(P) = E_{x~D_f} KL(μ_f(x)|P(x))."""
        return expectation(self.D_f, kl(self.mu_f, policy))

    def objective(self, policy: Policy, penalty: float) -> float:
        """G_f(P) + λ Ĝ_s(P), what Case I minimises."""
        _require_positive(penalty)
        return self.capability_gap(policy) + penalty * self.proxy_gap(policy)

    def optimal_gaps(self, penalty: float) -> tuple[float, float]:
        """(G_f(P_λ), Ĝ_s(P_λ)) without forming P_λ: accurate at λ = 1e-6 and 1e6, where forming it is not."""
        weights = np.stack(self.weights(penalty))
        to_capability, to_proxy = kl_to_mixture(np.stack([self.mu_f, self.mu_hat]), weights)
        return expectation(self.D_f, to_capability), expectation(self.D_hat, to_proxy)

    def excess(self, policy: Policy, penalty: float) -> float:
        """δ + κ of a policy: Σ_x (D_f + λD̂)(x) KL(P_λ(x)|P(x)), its objective above the optimum.

        Coq: Finite.excess_identity
        """
        weight = self.D_f + penalty * self.D_hat
        return expectation(weight, kl(self.optimal_policy(penalty), policy))

    def overlap(self) -> Array:
        """O = supp D̂ ∩ supp D_f, a mask of shape (X,)."""
        return (self.D_hat > 0) & (self.D_f > 0)

    def joint(self, penalty: float) -> Float[Array, "z x y"]:
        """p(z, x, y) of Theorem 4: z = 0 is capability with probability 1/(1+λ), z = 1 is proxy."""
        _require_positive(penalty)
        capability = self.D_f[:, None] * self.mu_f / (1 + penalty)
        proxy = self.D_hat[:, None] * self.mu_hat / (1 + 1 / penalty)
        return np.stack([capability, proxy])

    def prompt_tv(self) -> float:
        """TV(D, D̂)."""
        return float(total_variation(self.D, self.D_hat))


def expectation(weights: Float[Array, " x"], values: Float[Array, " x"]) -> float:
    """Σ_x weights(x) values(x) with 0 · inf = 0: a prompt that never comes costs nothing."""
    return float(np.sum(np.multiply(weights, values, out=np.zeros(len(weights)), where=weights > 0)))


def _require_positive(penalty: float) -> None:
    if not penalty > 0 or not np.isfinite(penalty):
        raise ValueError(f"`penalty` must be finite and > 0, got {penalty}")
