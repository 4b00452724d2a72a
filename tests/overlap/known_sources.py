"""Text-like sources whose densities are known: bags of words, so that every truth can be computed.

A prompt is a bag of words from the source's own unigram distribution, a response a bag from another, which
also depends on whether the prompt holds a key word. Log density ratios are then linear in the counts given here
(with the key word's interactions), which makes a logistic regression on them well specified.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit

from tradeoffbounds.overlap.domain import Domain

Array = np.ndarray


@dataclass(frozen=True)
class BagSource:
    """Unigram distributions over prompt words (V,) and response words (V,), and the bags' lengths."""

    prompt_words: Array
    response_words: Array
    prompt_length: int
    response_length: int

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Counts of n prompts and of their responses."""
        return (
            rng.multinomial(self.prompt_length, self.prompt_words, size=n),
            rng.multinomial(self.response_length, self.response_words, size=n),
        )


def sources(
    k: int,
    *,
    prompt_shift: float,
    response_shift: float,
    seed: int,
    prompt_length: int = 12,
    response_length: int = 30,
    words: int = 20,
) -> list[BagSource]:
    """k sources around common distributions; the shifts are the spread of their log word frequencies."""  # fmt: skip
    rng = np.random.default_rng(seed)
    base_x, base_y = rng.dirichlet(np.ones(words) * 5), rng.dirichlet(np.ones(words) * 5)

    def tilt(base: Array, spread: float) -> Array:
        tilted = base * np.exp(spread * rng.standard_normal(words))
        return tilted / tilted.sum()

    return [
        BagSource(tilt(base_x, prompt_shift), tilt(base_y, response_shift), prompt_length, response_length)
        for _ in range(k)
    ]


def domains(drawn: list[tuple[Array, Array]]) -> list[Domain]:
    """One domain a source; every row has a prompt of its own."""
    sizes = np.cumsum([0, *(len(x) for x, _ in drawn)])
    return [
        Domain({"counts": x.astype(float)}, {"counts": y.astype(float)}, np.arange(start, start + len(x)))
        for (x, y), start in zip(drawn, sizes, strict=False)
    ]


def log_ratio(first: Array, second: Array, counts: Array) -> Array:
    """log of first's over second's probability of each bag (multinomial coefficients cancel)."""
    return counts @ (np.log(first) - np.log(second))


@dataclass(frozen=True)
class Truth:
    """Exact up to a Monte Carlo error far below what is tested, nats per response."""

    capability_gap: float
    proxy_gap: float
    safety_gap: float
    penalty: float

    @property
    def total(self) -> float:
        return self.capability_gap + self.penalty * self.proxy_gap


def truth(alignment: BagSource, proxy: BagSource, capability: BagSource, penalty: float, n: int = 200_000) -> Truth:
    """Gaps at P_λ from the known densities on n fresh rows of each source."""
    rng = np.random.default_rng(987)

    def terms(source: BagSource) -> tuple[Array, Array, Array]:
        """log of μ_source/P_λ, with w(x) and the response ratios from the known densities."""
        x, y = source.sample(n, rng)
        prompt = log_ratio(capability.prompt_words, proxy.prompt_words, x) - np.log(penalty)
        response = log_ratio(capability.response_words, proxy.response_words, y)
        log_w, log_v = log_expit(prompt), log_expit(-prompt)
        proxy_over_policy = -np.logaddexp(log_w + response, log_v)
        own = log_ratio(source.response_words, proxy.response_words, y)
        return own + proxy_over_policy, prompt, response

    return Truth(
        capability_gap=float(terms(capability)[0].mean()),
        proxy_gap=float(terms(proxy)[0].mean()),
        safety_gap=float(terms(alignment)[0].mean()),
        penalty=penalty,
    )
