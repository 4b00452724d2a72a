"""The loss of a source's responses as a function of the adapter's parameters alone, nats per response.

G_s and G_f are this loss minus the entropy of the source, which no parameter moves: their gradients and
Hessians are the loss's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int

from tradeoffbounds.curvature.products import Rows
from tradeoffbounds.models.decoder import Decoder, variables
from tradeoffbounds.sources.chat import Rendered


class Chunks(NamedTuple):
    """Token ids of c chunks of r texts, padded on the right, and where their response tokens are predicted."""

    tokens: Int[Array, " c r t"]
    positions: Int[Array, " c r k"]
    targets: Int[Array, " c r k"]
    weights: Float[Array, " c r k"]


class Shape(NamedTuple):
    """Rows of a chunk, tokens of a text, and response tokens: one for all sources that share programs."""

    chunk: int
    length: int
    responses: int


def common_shape(texts: Sequence[Sequence[Rendered]], chunk: int) -> Shape:
    """The smallest shape that all texts of all sources fit into."""
    every = [text for source in texts for text in source]
    longest = max(len(text.ids) for text in every)
    return Shape(chunk, longest, max(text.response_span[1] - text.response_span[0] for text in every))


def chunked(texts: Sequence[Rendered], shape: Shape) -> Chunks:
    """Texts as arrays; every row weighs 1/n, and rows that only fill the last chunk weigh nothing."""
    count = -(-len(texts) // shape.chunk)
    tokens = np.zeros((count * shape.chunk, shape.length), np.int32)
    positions, targets = (np.zeros((len(tokens), shape.responses), np.int32) for _ in range(2))
    weights = np.zeros(positions.shape, np.float32)
    for row, text in enumerate(texts):
        first, last = text.response_span
        tokens[row, : len(text.ids)] = text.ids
        positions[row, : last - first] = np.arange(first - 1, last - 1)
        targets[row, : last - first] = text.ids[first:last]
        weights[row, : last - first] = 1.0 / len(texts)
    arrays = (tokens, positions, targets, weights)
    return Chunks(*(jnp.asarray(array.reshape(count, shape.chunk, -1)) for array in arrays))


def flat(adapter: Any) -> tuple[Float[Array, " p"], Any]:
    """The adapter as one vector theta, and the function that turns such a vector back into an adapter."""
    return ravel_pytree(adapter)


def predicting_states(decoder: Decoder, weights: Any, chunk: Chunks) -> Float[Array, " r k h"]:
    """Final states of one chunk at the positions that predict its response tokens."""
    states = jnp.asarray(decoder.apply(weights, chunk.tokens, method="states"))
    return jnp.take_along_axis(states, chunk.positions[..., None], axis=1)


def response_loss(decoder: Decoder, unravel: Any) -> Rows:
    """theta -> weighted losses of a chunk's rows, Σ_t -log P(y_t | x, y_<t) / n; ``frozen`` are base weights."""

    def rows(theta: Float[Array, " p"], params: Any, chunk: Chunks) -> Float[Array, " r"]:
        weights = variables(params, None if unravel is None else unravel(theta))
        states = predicting_states(decoder, weights, chunk)
        logits = jnp.asarray(decoder.apply(weights, states, method="logits"), jnp.float32)
        chosen = jnp.take_along_axis(logits, chunk.targets[..., None], axis=-1)[..., 0]
        return ((jax.nn.logsumexp(logits, axis=-1) - chosen) * chunk.weights).sum(axis=-1)

    return rows
