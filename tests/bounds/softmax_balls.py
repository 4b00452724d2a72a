"""Softmax problems over balls, with what Theorem 3 is held against: largest and smallest losses, certified."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, xlogy

from tradeoffbounds.bounds import linear_softmax
from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, Bound, exact
from tradeoffbounds.bounds.theorem3 import (
    capability_lower,
    capability_upper,
    paper,
    refined,
)

ONE = exact(1.0)


def slope(value, kind="certified", side="value", **rest):
    return Bound(value, kind, side, PER_UNIT, **rest)


def curvature(value, kind="certified", side="value", **rest):
    return Bound(value, kind, side, PER_UNIT_SQUARED, **rest)


def every_bound(start, lipschitz, gradient_norm, smoothness, radius):
    """The four bounds of a function whose constants are given as numbers."""
    start, gradient_norm, smoothness = exact(start), slope(gradient_norm), curvature(smoothness)
    return {
        "paper": paper(start, slope(lipschitz), radius).value,
        "refined": refined(start, gradient_norm, smoothness, radius).value,
        "upper": capability_upper(start, gradient_norm, smoothness, radius).value,
        "lower": capability_lower(start, gradient_norm, smoothness, radius).value,
    }


@dataclass
class Softmax:
    """Mean over responses of Σ_t KL(q_t | softmax(W h_t)), for many problems at once, padded to one shape.

    ``features`` (p, n, d), ``targets`` (p, n, v), ``shares`` (p, n) = 1 / responses, ``absent`` (p, 1, v) is
    -inf where the vocabulary of a problem ends. Unused tokens have h = 0 and share 0.
    """

    features: np.ndarray
    targets: np.ndarray
    shares: np.ndarray
    absent: np.ndarray

    def __getitem__(self, chosen):
        return Softmax(self.features[chosen], self.targets[chosen], self.shares[chosen], self.absent[chosen])

    def __call__(self, weights):
        logits = self.features @ weights.transpose(0, 2, 1)
        normaliser = logsumexp(logits + self.absent, axis=2)
        divergence = normaliser + (xlogy(self.targets, self.targets) - self.targets * logits).sum(axis=2)
        return (self.shares * divergence).sum(axis=1)

    def gradient(self, weights):
        logits = self.features @ weights.transpose(0, 2, 1) + self.absent
        odds = np.exp(logits - logits.max(axis=2, keepdims=True))
        errors = odds / odds.sum(axis=2, keepdims=True) - self.targets
        return (errors * self.shares[:, :, None]).transpose(0, 2, 1) @ self.features

    def constants(self):
        """(L, S) of every problem, by `linear_softmax`."""
        pairs = []
        for features, shares in zip(self.features, self.shares, strict=True):
            norms, responses = np.linalg.norm(features[shares > 0], axis=1), round(1 / shares.max())
            pairs.append((linear_softmax.lipschitz(norms, responses), linear_softmax.smoothness(norms, responses)))
        return pairs


def random_softmax(rng, vocabularies, dimensions):
    """Hard or soft labels; one to four responses of one to four tokens; features of any scale."""
    count = len(vocabularies)
    rows, longest = rng.integers(1, 5, size=count), 4
    lengths = rng.integers(1, longest + 1, size=(count, 4)) * (np.arange(4) < rows[:, None])
    used = (np.arange(longest) < lengths[:, :, None]).reshape(count, -1)
    width = np.arange(5) < dimensions[:, None]
    scales = 10 ** rng.uniform(-1.5, 1, size=(count, 1, 1)) * 10 ** rng.uniform(-0.5, 0.5, size=(*used.shape, 1))
    features = rng.normal(size=(*used.shape, 5)) * scales * width[:, None, :] * used[:, :, None]
    present = np.arange(6) < vocabularies[:, None, None]
    soft = rng.gamma(0.5, size=(*used.shape, 6)) * present + 1e-9 * present
    hard = np.eye(6)[rng.integers(vocabularies[:, None], size=used.shape)]
    targets = np.where(rng.random(count)[:, None, None] < 0.5, hard, soft / soft.sum(axis=2, keepdims=True))
    return Softmax(features, targets, used / rows[:, None], np.where(present, 0.0, -np.inf))


def inner(first, second):
    return (first * second).sum(axis=(1, 2), keepdims=True)


def norm(weights):
    return np.sqrt(inner(weights, weights))


def unit(weights):
    return weights / np.maximum(norm(weights), 1e-300)


def project(weights, centre, radius):
    step = weights - centre
    return centre + step * np.minimum(1.0, radius / np.maximum(norm(step), 1e-300))


def largest_found(loss, centre, radius, starts):
    """Projected gradient ascent with the longest step; the loss is convex, so that every step ascends."""
    best = np.full(len(centre), -np.inf)
    for start in starts:
        weights = project(start, centre, radius)
        for _ in range(20):
            best = np.maximum(best, loss(weights))
            weights = centre + radius * unit(loss.gradient(weights))
        best = np.maximum(best, loss(weights))
    return best


def smallest_found(loss, centre, radius, smoothness, enough):
    """(below, found) with below <= min over the ball <= found: Frank and Wolfe's duality gap of a convex loss.

    Accelerated projected descent, restarted when its step turns back; a problem leaves at a gap <= ``enough``.
    """
    below, found = np.full(len(centre), -np.inf), np.full(len(centre), np.inf)
    open_, points, ahead, momentum = np.arange(len(centre)), centre, centre, np.ones((len(centre), 1, 1))
    for step in range(20_000):
        part, middle, reach = loss[open_], centre[open_], radius[open_]
        if step % 50 == 0:
            value, gradient = part(points), part.gradient(points)
            gap = (inner(gradient, points - middle) + reach * norm(gradient)).ravel()
            found[open_] = np.minimum(found[open_], value)
            below[open_] = np.maximum(below[open_], value - gap)
            going = (found - below > enough)[open_]
            open_, points, ahead, momentum = open_[going], points[going], ahead[going], momentum[going]
            part, middle, reach = loss[open_], centre[open_], radius[open_]
        if not len(open_):
            break
        moved = project(ahead - part.gradient(ahead) / smoothness[open_], middle, reach)
        back = inner(ahead - moved, moved - points) > 0
        longer = np.where(back, 1.0, (1 + np.sqrt(1 + 4 * momentum**2)) / 2)
        ahead = moved + np.where(back, 0.0, (momentum - 1) / longer) * (moved - points)
        points, momentum = moved, longer
    return below, found
