"""theory.md transcribed into mpmath at 50 digits: slow, naive, and without any code of the package."""

from __future__ import annotations

from functools import cached_property

import mpmath
import numpy as np
from mpmath import inf, log, mpf

mpmath.mp.dps = 50


def distributions(table: np.ndarray) -> list:
    """Rows as exact numbers, summing to one to 50 digits instead of 16."""
    if table.ndim > 1:
        return [distributions(row) for row in table]
    total = mpmath.fsum(table)
    return [mpf(float(entry)) / total for entry in table]


def kl(p: list, q: list) -> mpf:
    return sum((inf if b == 0 else a * log(a / b)) for a, b in zip(p, q, strict=True) if a > 0)


def tv(p: list, q: list) -> mpf:
    return sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2


def mixture(a: mpf, p: list, b: mpf, q: list) -> list:
    return [a * s + b * t for s, t in zip(p, q, strict=True)]


def mean(weights: list, values: list) -> mpf:
    return sum((w * v for w, v in zip(weights, values, strict=True) if w > 0), mpf(0))


def entropy(p: list) -> mpf:
    return -sum(a * log(a) for a in p if a > 0)


class Twin:
    """Every bound of sections 2 and 4 for one finite problem, and the quantities that they bound."""

    def __init__(self, problem, penalty: float) -> None:
        self.penalty = mpf(penalty)
        self.D, self.D_hat, self.D_f = map(distributions, (problem.D, problem.D_hat, problem.D_f))
        self.mu, self.mu_hat, self.mu_f = map(distributions, (problem.mu, problem.mu_hat, problem.mu_f))

    @cached_property
    def w(self) -> list[mpf]:
        totals = (f + self.penalty * s for f, s in zip(self.D_f, self.D_hat, strict=True))
        return [f / total if total > 0 else mpf(0) for f, total in zip(self.D_f, totals, strict=True)]

    @cached_property
    def policy(self) -> list[list[mpf]]:
        return [mixture(w, f, 1 - w, s) for w, f, s in zip(self.w, self.mu_f, self.mu_hat, strict=True)]

    def gap(self, prompts: list, responses: list, policy: list | None = None) -> mpf:
        """E_{x~prompts} KL(responses(x) | policy(x)), at P_λ unless told."""
        return mean(prompts, [kl(p, q) for p, q in zip(responses, policy or self.policy, strict=True)])

    @property
    def safety_gap(self) -> mpf:
        return self.gap(self.D, self.mu)

    @property
    def proxy_gap(self) -> mpf:
        return self.gap(self.D_hat, self.mu_hat)

    @property
    def capability_gap(self) -> mpf:
        return self.gap(self.D_f, self.mu_f)

    @cached_property
    def minimum(self) -> mpf:
        """(1+λ) [H(Z|X) - H(Z|X,Y)] by the entropies of the joint table."""
        source = {"f": 1 / (1 + self.penalty), "s": self.penalty / (1 + self.penalty)}
        z_x = [[source["f"] * a for a in self.D_f], [source["s"] * a for a in self.D_hat]]
        z_xy = [
            [p * q for p, row in zip(prompts, responses, strict=True) for q in row]
            for prompts, responses in zip(z_x, (self.mu_f, self.mu_hat), strict=True)
        ]
        given_x, given_xy = (entropy([*a, *b]) - entropy(mixture(mpf(1), a, mpf(1), b)) for a, b in (z_x, z_xy))
        return (1 + self.penalty) * (given_x - given_xy)

    @property
    def bounds(self) -> dict[str, tuple[mpf, mpf]]:
        """(bound, quantity) under the names of ``finite_bounds.case_one``."""
        overlap = [f > 0 and s > 0 for f, s in zip(self.D_f, self.D_hat, strict=True)]
        to_f = self.gap([s * o for s, o in zip(self.D_hat, overlap, strict=True)], self.mu_hat, self.mu_f)
        to_hat = self.gap([f * o for f, o in zip(self.D_f, overlap, strict=True)], self.mu_f, self.mu_hat)
        to_capability = [log(1 / w) if w > 0 else inf for w in self.w]
        to_proxy = [log(1 / (1 - w)) if w < 1 else inf for w in self.w]
        capability = {
            "paper": self.penalty * to_f,
            "b": to_hat,
            "c": mean(self.D_f, to_capability),
            "d": self.minimum,
        }
        proxy = min(to_hat / self.penalty, to_f, mean(self.D_hat, to_proxy))
        refined = self.gap(self.D, self.mu, self.mu_hat) + mean(self.D, to_proxy)
        return {
            "theorem1.paper": (self._theorem1_paper(proxy), self.safety_gap),
            "theorem1.refined": (refined, self.safety_gap),
            **{f"theorem2.{name}": (bound, self.capability_gap) for name, bound in capability.items()},
            "theorem2.refined": (min(capability.values()), self.capability_gap),
            "theorem2.proxy": (proxy, self.proxy_gap),
        }

    def _theorem1_paper(self, proxy_gap: mpf) -> mpf:
        largest_kl = max(
            kl(p, q) for d, s, p, q in zip(self.D, self.D_hat, self.mu, self.policy, strict=True) if d > 0 or s > 0
        )
        largest_log_ratio = max(
            abs(log(s / p)) if s > 0 and p > 0 else inf
            for x, reach in enumerate(self.D_hat)
            for m, s, p in zip(self.mu[x], self.mu_hat[x], self.policy[x], strict=True)
            if reach > 0 and (m > 0 or s > 0)
        )
        if inf in (largest_kl, largest_log_ratio):
            return inf
        response_tv = mean(self.D_hat, [tv(p, q) for p, q in zip(self.mu, self.mu_hat, strict=True)])
        return (
            proxy_gap
            + largest_kl * tv(self.D, self.D_hat)
            + self.gap(self.D_hat, self.mu, self.mu_hat)
            + 2 * largest_log_ratio * response_tv
        )
