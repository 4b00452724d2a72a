"""Losses whose gradients, Hessians and suprema over balls are known."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from tradeoffbounds.curvature.products import ChunkedLoss, Programs

#: Shared by all of these losses, so that each shape is compiled once.
PROGRAMS = Programs()


def quadratic_rows(theta, frozen, weights):
    """Every row is a share of slope·θ + ½ θ·H·θ."""
    hessian, slope = frozen
    return weights * (slope @ theta + 0.5 * theta @ hessian @ theta)


def quadratic(hessian, slope=None, dtype=jnp.float32):
    """slope·θ + ½ θ·H·θ, in two chunks of two rows of which the last weighs nothing."""
    slope = np.ones(len(hessian)) if slope is None else slope
    frozen = (jnp.asarray(hessian, dtype), jnp.asarray(slope, dtype))
    return ChunkedLoss(quadratic_rows, frozen, jnp.asarray([[0.5, 0.25], [0.25, 0.0]], dtype), PROGRAMS)


def wave_rows(theta, frozen, chunk):
    """weight · cos(k·θ + phase): smooth, not convex, with every derivative bounded."""
    weights, waves, phases = chunk
    return weights * jnp.cos(waves @ theta + phases)


@dataclass(frozen=True)
class Waves:
    """Σ_i weight_i cos(k_i·θ + phase_i), row by row."""

    weights: np.ndarray
    waves: np.ndarray
    phases: np.ndarray

    @classmethod
    def random(cls, rng, rows, size):
        return cls(rng.uniform(0.2, 1.0, rows) / rows, rng.standard_normal((rows, size)), rng.uniform(0, 6.28, rows))

    def loss(self, chunk=2, dtype=jnp.float32, programs=PROGRAMS):
        """In chunks, the last of which is filled up with rows that weigh nothing."""
        filling = -len(self.weights) % chunk
        arrays = (
            np.pad(self.weights, (0, filling)),
            np.pad(self.waves, ((0, filling), (0, 0))),
            np.pad(self.phases, (0, filling), constant_values=1.0),
        )
        chunks = tuple(jnp.asarray(array.reshape(-1, chunk, *array.shape[1:]), dtype) for array in arrays)
        return ChunkedLoss(wave_rows, (), chunks, programs)

    def rows(self, theta):
        return self.weights * np.cos(self.waves @ theta + self.phases)

    def row_gradients(self, theta):
        return -(self.weights * np.sin(self.waves @ theta + self.phases))[:, None] * self.waves

    def gradient(self, theta):
        return self.row_gradients(theta).sum(axis=0)

    def hessian(self, theta):
        return -(self.waves.T * (self.weights * np.cos(self.waves @ theta + self.phases))) @ self.waves

    def bounds(self):
        """Upper bounds of ‖∇G‖, ‖∇²G‖ and of the third derivative, everywhere."""
        sizes = np.linalg.norm(self.waves, axis=1)
        return tuple(float((self.weights * sizes**power).sum()) for power in (1, 2, 3))

    def suprema_in_plane(self, centre, radius, grid=250):
        """sup ‖∇G‖ and sup ‖∇²G‖ over a disc, at most by the returned margins too small."""
        angles, radii = np.linspace(0, 2 * np.pi, grid), np.linspace(0, radius, grid)
        points = centre + radii[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        arguments = points @ self.waves.T + self.phases
        gradients = (self.weights * np.sin(arguments)) @ self.waves
        outer = self.waves[:, :, None] * self.waves[:, None, :]
        hessians = np.einsum("abi,ijk->abjk", self.weights * np.cos(arguments), outer)
        reach = radius * np.pi / (grid - 1)  # half a diagonal of the coarsest cell, generously
        _, second, third = self.bounds()
        return (
            (float(np.linalg.norm(gradients, axis=-1).max()), reach * second),
            (float(np.abs(np.linalg.eigvalsh(hessians)).max()), reach * third),
        )


def random_orthogonal(rng, size):
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def symmetric(rng, eigenvalues):
    """A random symmetric matrix with these eigenvalues."""
    basis = random_orthogonal(rng, len(eigenvalues))
    matrix = (basis * np.asarray(eigenvalues)) @ basis.T
    return (matrix + matrix.T) / 2
