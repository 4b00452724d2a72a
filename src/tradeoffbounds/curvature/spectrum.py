"""Extreme eigenvalues of a Hessian by Lanczos' method (matfree), each with its residual as error bound.

A Ritz value θ = qᵀHq of a unit vector q is a Rayleigh quotient, so λ_min <= θ <= λ_max; and some eigenvalue lies
within the residual ‖Hq - θq‖ of it (Parlett 1998, theorem 4.5.1). Which one is not proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from tradeoffbounds.curvature.products import ChunkedLoss

#: Relative residual at which both ends count as converged.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Spectrum:
    """Ritz values in rising order, their residuals, and the Krylov basis they live in.

    Attributes:
        basis: orthonormal rows q_1..q_k, q_1 along the start.
        projected: the k × k matrix of H on that basis.
        rotations: columns are Ritz vectors in coordinates of the basis.
    """

    values: Float[np.ndarray, " k"]
    residuals: Float[np.ndarray, " k"]
    basis: Float[Array, " k p"]
    projected: Float[np.ndarray, " k k"]
    rotations: Float[np.ndarray, " k k"]

    @property
    def lowest(self) -> float:
        """At least λ_min."""
        return float(self.values[0])

    @property
    def highest(self) -> float:
        """At most λ_max."""
        return float(self.values[-1])

    @property
    def norm(self) -> float:
        """max |θ|, at most ‖H‖."""
        return float(np.abs(self.values).max())

    @property
    def norm_estimate(self) -> float:
        """max |θ| + residual: ‖H‖ if the residual's eigenvalue is the extreme one."""
        return float((np.abs(self.values) + self.residuals).max())

    @property
    def converged(self) -> bool:
        """Whether both ends are within 1% of an eigenvalue, relative to the norm for an end that is near zero."""
        ends = [0, -1]
        scale = np.maximum(np.abs(self.values[ends]), TOLERANCE * self.norm)
        return bool((self.residuals[ends] <= TOLERANCE * scale).all())

    def top_vectors(self, count: int) -> Float[Array, " m p"]:
        """Ritz vectors of the eigenvalues largest in size, as rows."""
        order = np.argsort(-np.abs(self.values))[:count]
        return jnp.asarray(self.rotations[:, order].T, self.basis.dtype) @ self.basis


def spectrum(loss: ChunkedLoss, theta: Float[Array, " p"], start: Float[Array, " p"], steps: int) -> Spectrum:
    """``steps`` Lanczos steps from ``start``, fully reorthogonalised.

    The Krylov space of a gradient sees the directions that matter to training; a random start is the safer
    choice for the ends of the whole spectrum.

    Raises:
        FloatingPointError: the Hessian is not finite at ``theta``.
    """
    steps = min(steps, theta.size)
    basis, matrix, residual, _ = loss.tridiagonalise(theta, start, steps)
    projected = np.asarray(matrix, np.float64)
    usable = _before_breakdown(projected, np.asarray(basis @ basis.T))
    if usable and usable < steps:  # what Lanczos noted after the breakdown is noise
        product = loss.hvp(theta, basis[usable - 1])
        residual = product - (basis[:usable] @ product) @ basis[:usable]
    last = float(jnp.linalg.norm(residual))
    if not (usable and np.isfinite(last)):
        raise FloatingPointError("the Hessian is not finite at this point")
    projected = projected[:usable, :usable]
    values, rotations = np.linalg.eigh(projected)
    return Spectrum(values, last * np.abs(rotations[-1]), basis[:usable], projected, rotations)


def random_start(size: int, seed: int) -> Float[Array, " p"]:
    """A Gaussian vector: it has a part along every eigenvector."""
    return jax.random.normal(jax.random.key(seed), (size,), jnp.float32)


def _before_breakdown(matrix: np.ndarray, gram: np.ndarray) -> int:
    """Steps before the Krylov space was exhausted, where Lanczos goes on with noise, or with 0/0."""
    # A vector of noise may lie in the space that it should extend.
    orthonormal = (np.abs(np.tril(gram - np.eye(len(gram)))) < 1e-3).all(axis=1)
    finite = np.isfinite(np.diagonal(matrix)) & orthonormal
    usable = int(np.argmin(finite)) if not finite.all() else len(matrix)
    beside = np.abs(np.diagonal(matrix, -1))[: max(usable - 1, 0)]
    scale = np.abs(matrix[:usable, :usable]).max(initial=0.0)
    exhausted = np.flatnonzero(beside <= 1e-6 * scale)
    return min(usable, int(exhausted[0]) + 1) if len(exhausted) else usable
