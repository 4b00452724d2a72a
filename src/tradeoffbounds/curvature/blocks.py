"""Where the parameters of each decoder layer lie in the flat vector that curvature works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float


@dataclass(frozen=True)
class Blocks:
    """Where the parameters of each layer lie in theta: tensor after tensor, in each of them layer after layer.

    Attributes:
        sizes: how many numbers of one layer each tensor holds.
    """

    layers: int
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, adapter: Any) -> Blocks | None:
        """Of the pytree that theta was made from; None where anything in it belongs to no layer."""
        if set(adapter) != {"layers"}:
            return None
        leaves = jax.tree.leaves(adapter)
        return cls(len(leaves[0]), tuple(leaf.size // len(leaf) for leaf in leaves))

    def expand(self, scales: Float[Array, " ... l"]) -> Float[Array, " ... p"]:
        """Each layer's number at every parameter of that layer."""
        parts = (jnp.broadcast_to(scales[..., None], (*scales.shape, size)) for size in self.sizes)
        return jnp.concatenate([part.reshape(*scales.shape[:-1], -1) for part in parts], axis=-1)

    def sums(self, values: Any) -> Float[np.ndarray, " ... l"]:
        """The sum over each layer's parameters, in float64."""
        values = np.asarray(values)
        ends = np.cumsum([self.layers * size for size in self.sizes])[:-1]
        parts = np.split(values, ends, axis=-1)
        shape = (*values.shape[:-1], self.layers, -1)
        return sum((part.reshape(shape).sum(axis=-1, dtype=np.float64) for part in parts), np.zeros(shape[:-1]))
