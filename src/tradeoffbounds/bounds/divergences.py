"""Divergences between finite distributions, exact on zeros and disjoint supports. Unit: nats.

Distributions lie along the last axis and sum to one; leading axes broadcast.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import kl_div

Array = np.ndarray


def kl(p: Float[Array, "*#batch y"], q: Float[Array, "*#batch y"]) -> Float[Array, "*#batch"]:
    """KL(p | q) = sum_y p log(p/q), ``inf`` where p reaches what q does not.

    Summed as p log(p/q) - p + q, whose terms are all non-negative and whose extra parts cancel for
    distributions, so that rounding cannot make a divergence negative.
    """
    return np.asarray(_kl_terms(p, q).sum(axis=-1))


def kl_to_mixture(
    components: Float[Array, "z *#batch y"], weights: Float[Array, "z *#batch"]
) -> Float[Array, " z *batch"]:
    """KL(p_z | m) of every component from the mixture m = sum_j w_j p_j, to full relative precision.

    With u = m/p_z - 1 = sum_{j != z} w_j (p_j - p_z)/p_z on the support of p_z, the divergence is
    sum p_z (u - log(1 + u)) + m(outside supp p_z), again a sum of non-negative terms. Forming m first
    would lose every digit where one weight is 1e-8, which is where penalties of 1e-6 and 1e6 lead.

    Args:
        components: distributions p_z.
        weights: w_z, summing to one over z; each must be accurate in itself (not 1 minus the other).
    """
    w = weights[..., None]
    mixture = (w * components).sum(axis=0)
    result = []
    for p in components:
        inside = p > 0
        u = np.divide((w * (components - p)).sum(axis=0), p, out=np.zeros_like(mixture), where=inside)
        # Near u = -1 the sum 1 + u cancels, while m/p does not.
        ratio = np.divide(mixture, p, out=np.ones_like(mixture), where=inside)
        result.append(np.where(inside, p * _u_minus_log1p(u, ratio), mixture).sum(axis=-1))
    return np.stack(result)


def total_variation(p: Float[Array, "*#batch y"], q: Float[Array, "*#batch y"]) -> Float[Array, "*#batch"]:
    """TV(p, q) = 1/2 sum |p - q|, a probability in [0, 1]."""
    return np.asarray(0.5 * np.abs(p - q).sum(axis=-1))


def jensen_shannon(
    p: Float[Array, "*#batch y"], q: Float[Array, "*#batch y"], weight: float | Float[Array, "*#batch"] = 0.5
) -> Float[Array, "*#batch"]:
    """Jensen-Shannon divergence, a KL(p | m) + (1 - a) KL(q | m) with m = a p + (1 - a) q, a = ``weight``.

    It is the mutual information between y and the coin that chose p (probability a) or q, at most
    h(a) (Lin 1991).
    """
    p, q = np.broadcast_arrays(p, q)
    a = np.broadcast_to(np.asarray(weight, dtype=float), p.shape[:-1])
    if np.any((a < 0) | (a > 1)):
        raise ValueError(f"`weight` must be in [0, 1], got {weight}")
    weights = np.stack([a, 1 - a])
    return np.asarray((weights * kl_to_mixture(np.stack([p, q]), weights)).sum(axis=0))


def conditional_mutual_information(joint: Float[Array, "z x y"]) -> float:
    """I(Z; Y | X) of a joint table p(z, x, y) that sums to one.

    Computed as the mean over x and z of KL(p(y|x,z) | p(y|x)), which stays accurate where the table itself
    does not show the difference any more (z of probability 1e-6).
    """
    p_zx = joint.sum(axis=2)
    p_x = p_zx.sum(axis=0)
    conditionals = np.divide(joint, p_zx[..., None], out=np.zeros_like(joint), where=p_zx[..., None] > 0)
    weights = np.divide(p_zx, p_x, out=np.zeros_like(p_zx), where=p_x > 0)
    return float((p_zx * kl_to_mixture(conditionals, weights)).sum())


def _kl_terms(p: Array, q: Array) -> Array:
    """p log(p/q) - p + q elementwise, as scipy's ``kl_div``, but to full relative precision for p near q.

    With u = p/q - 1 a term is q [(1 + u) log(1 + u) - u] = q [u^2/2 - u^3/6 + u^4/12 - ...].
    """
    p, q = np.broadcast_arrays(p, q)
    u = np.divide(p - q, q, out=np.full(p.shape, np.inf), where=q > 0)
    near = np.abs(u) < 1e-3
    v = np.where(near, u, 0.0)
    series = q * v * v * (0.5 - v * (1 / 6 - v * (1 / 12 - v * (1 / 20 - v / 30))))
    return np.where(near, series, kl_div(p, q))


def _u_minus_log1p(u: Array, one_plus_u: Array) -> Array:
    """u - log(1 + u) >= 0; the series u^2/2 - u^3/3 + ... takes over where the difference cancels."""
    series = u * u * (0.5 - u * (1 / 3 - u * (0.25 - u * (0.2 - u / 6))))
    with np.errstate(divide="ignore"):
        logarithm = np.where(u < -0.5, np.log(one_plus_u), np.log1p(np.maximum(u, -0.5)))
    return np.where(np.abs(u) < 1e-3, series, u - logarithm)
