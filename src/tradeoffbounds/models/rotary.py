"""Rotary position embeddings (Su et al., arXiv:2104.09864) and the scalings of Llama-2 and Llama-3."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from tradeoffbounds.models.decoder_config import Rope


def angles(rope: Rope, length: int, head_dim: int) -> tuple[Float[Array, " t half"], Float[Array, " t half"]]:
    """Cosine and sine of position times frequency, for positions 0 to ``length`` - 1, float32."""
    positions = np.arange(length) / (rope.factor if rope.kind == "linear" else 1.0)
    phase = np.outer(positions, _frequencies(rope, length, head_dim))
    return jnp.asarray(np.cos(phase), jnp.float32), jnp.asarray(np.sin(phase), jnp.float32)


def rotate(
    x: Float[Array, " b t heads dim"], cosine: Float[Array, " t half"], sine: Float[Array, " t half"]
) -> Float[Array, " b t heads dim"]:
    """Turn each pair (x[i], x[i + dim/2]) by its angle."""
    first, second = jnp.split(x, 2, axis=-1)
    cosine, sine = (angle[:, None, :].astype(x.dtype) for angle in (cosine, sine))
    return jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def _frequencies(rope: Rope, length: int, head_dim: int) -> np.ndarray:
    theta = rope.theta
    if rope.kind == "dynamic" and length > rope.original_positions:
        # A longer text stretches the base, so that its last position turns no further than a trained one.
        stretch = rope.factor * length / rope.original_positions - (rope.factor - 1)
        theta *= stretch ** (head_dim / (head_dim - 2))
    frequencies = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    return _llama3(rope, frequencies) if rope.kind == "llama3" else frequencies


def _llama3(rope: Rope, frequencies: np.ndarray) -> np.ndarray:
    """Slow waves are slowed by ``factor``, fast ones kept, and those between interpolated (Llama-3.1)."""
    turns = rope.original_positions * frequencies / (2 * np.pi)
    keep = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    keep = np.clip(keep, 0.0, 1.0)
    return frequencies * (keep + (1 - keep) / rope.factor)
