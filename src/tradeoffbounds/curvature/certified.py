"""Constants that are proved: for an output head over fixed features, in whose parameters the logits are linear."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tradeoffbounds.bounds import linear_softmax
from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.curvature.response_loss import Chunks, predicting_states
from tradeoffbounds.models.decoder import Decoder, variables


def head_constants(decoder: Decoder, params: Any, chunks: Chunks) -> dict[str, Bound]:
    """``lipschitz`` and ``smoothness`` of the loss over these rows as a function of an additive output head.

    They hold for every head, hence in every ball; nats/response/unit and nats/response/unit².
    """

    def norms(weights: Any, chunk: Chunks) -> jax.Array:
        states = predicting_states(decoder, variables(weights), chunk)
        return jnp.linalg.norm(states.astype(jnp.float32), axis=-1)

    # One chunk at a time, as the losses are.
    with jax.default_matmul_precision("float32"):
        per_token = jax.jit(lambda weights, every: jax.lax.map(lambda chunk: norms(weights, chunk), every))(
            params, chunks
        )
    predicts = np.asarray(chunks.weights) > 0
    rows = int(predicts.any(axis=-1).sum())
    found = np.asarray(per_token)[predicts]
    return {
        "lipschitz": linear_softmax.lipschitz(found, rows),
        "smoothness": linear_softmax.smoothness(found, rows),
    }
