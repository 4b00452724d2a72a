"""Random finite problems that go to the corners: zeros, one-point distributions, disjoint supports."""

from __future__ import annotations

from functools import cache

import numpy as np

from tradeoffbounds.bounds.finite import FiniteProblem


@cache
def random_cases(count: int, seed: int = 0) -> tuple[tuple[FiniteProblem, float], ...]:
    """``count`` problems, each with a penalty λ log-uniform from 1e-6 to 1e6."""
    rng = np.random.default_rng(seed)
    return tuple((random_problem(rng), float(10 ** rng.uniform(-6, 6))) for _ in range(count))


def random_problem(rng: np.random.Generator) -> FiniteProblem:
    """One to six prompts and one to six responses."""
    x, y = rng.integers(1, 7, size=2)
    D, D_hat, D_f = _three_tables(rng, (x,))
    mu, mu_hat, mu_f = _three_tables(rng, (x, y))
    return FiniteProblem(D, mu, D_hat, mu_hat, D_f, mu_f)


def random_policy(rng: np.random.Generator, problem: FiniteProblem, floor: float = 0.0) -> np.ndarray:
    """Any policy; with a ``floor`` > 0 it gives every response at least floor / Y, so that A1 can hold."""
    policy = random_distributions(rng, problem.mu.shape)
    return (1 - floor) * policy + floor / policy.shape[1]


def random_distributions(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Distributions along the last axis: spiky or flat, with no, some or nearly all entries zero."""
    table = rng.dirichlet(np.full(shape[-1], rng.choice([0.3, 1.0, 10.0])), size=shape[:-1])
    table = np.where(rng.random(shape) < rng.choice([0.0, 0.3, 0.9]), 0.0, table)
    points = np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    table = np.where(table.sum(axis=-1, keepdims=True) > 0, table, points)
    return table / table.sum(axis=-1, keepdims=True)


def _three_tables(rng: np.random.Generator, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Three tables, two of which may be equal, nearly equal, or without a common support."""
    tables = [random_distributions(rng, shape) for _ in range(3)]
    i, j, _ = rng.permutation(3)
    relation = rng.choice(["none", "none", "equal", "near", "disjoint"])
    if relation == "equal":
        tables[j] = tables[i]
    elif relation == "near":
        step = 10 ** rng.uniform(-9, -2)
        tables[j] = (1 - step) * tables[i] + step * tables[j]
    elif relation == "disjoint" and shape[-1] > 1:
        split = rng.permutation(shape[-1]) < rng.integers(1, shape[-1])
        for k, side in ((i, split), (j, ~split)):
            table = random_distributions(rng, (*shape[:-1], side.sum()))
            tables[k] = np.zeros(shape)
            tables[k][..., side] = table
    return tables


def union(cases: tuple[tuple[FiniteProblem, float], ...]) -> tuple[FiniteProblem, float, np.ndarray]:
    """Many problems as one: the prompts side by side, unused responses added where Y is smaller.

    With D_f = (D_f,i) / N, D̂ = (λ_i D̂_i) / Σλ and λ = Σλ / N, every prompt keeps its w, and the objective
    is the mean of the objectives. Also returns the number of the problem that each prompt belongs to.
    """
    problems, penalties = zip(*cases, strict=True)
    widest = max(p.mu.shape[1] for p in problems)

    def stacked(name: str) -> np.ndarray:
        tables = (getattr(p, name) for p in problems)
        return np.concatenate([np.pad(t, ((0, 0), (0, widest - t.shape[1]))) for t in tables])

    def side_by_side(name: str, weights: np.ndarray) -> np.ndarray:
        shares = weights / weights.sum()
        return np.concatenate([share * getattr(p, name) for share, p in zip(shares, problems, strict=True)])

    even, penalties = np.ones(len(problems)), np.array(penalties)
    joined = FiniteProblem(
        D=side_by_side("D", even), mu=stacked("mu"),
        D_hat=side_by_side("D_hat", penalties), mu_hat=stacked("mu_hat"),
        D_f=side_by_side("D_f", even), mu_f=stacked("mu_f"),
    )  # fmt: skip
    members = np.repeat(np.arange(len(problems)), [len(p.D) for p in problems])
    return joined, float(penalties.mean()), members
