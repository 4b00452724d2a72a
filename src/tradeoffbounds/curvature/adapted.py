"""A decoder with an adapter, ready to be differentiated: where weights, adapter and rows come together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from tradeoffbounds.curvature.memory import check_loads
from tradeoffbounds.curvature.products import ChunkedLoss, Programs, Rows
from tradeoffbounds.curvature.response_loss import Shape, chunked, flat, response_loss
from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.decoder import Decoder
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.decoder_weights import Arrays, adapter_from_peft, params_from_transformers
from tradeoffbounds.models.sharding import mesh, on_all, shard_params, shard_rows
from tradeoffbounds.sources.chat import Rendered


def import_params(config: DecoderConfig, state: Arrays, dtype: str) -> Any:
    """Base weights on the device, or cut over all of them.

    Raises:
        UserError: they do not fit.
    """
    check_loads(sum(array.size for array in state.values()) * jnp.dtype(dtype).itemsize // jax.device_count())
    params = params_from_transformers(config, state, dtype)
    return shard_params(params, mesh()) if jax.device_count() > 1 else params


@dataclass(frozen=True)
class Adapted:
    """One adapter method on one base model.

    Attributes:
        theta: the adapter's parameters before training, one float32 vector.
        shape: of every chunk, common to all sources.
    """

    decoder: Decoder
    config: AdapterConfig
    params: Any
    theta: Float[Array, " p"]
    rows: Rows
    base_rows: Rows
    shape: Shape
    programs: Programs

    def loss(self, texts: Sequence[Rendered]) -> ChunkedLoss:
        """The loss over these rows as a function of theta."""
        return self._loss(self.rows, texts)

    def row_losses(self, texts: Sequence[Rendered]) -> Float[np.ndarray, " n"]:
        """-log P(response) of each row with the adapter at theta, nats."""
        return self._row_losses(self.rows, texts)

    def base_row_losses(self, texts: Sequence[Rendered]) -> Float[np.ndarray, " n"]:
        """-log P(response) of each row under the aligned model, its adapter off, nats."""
        return self._row_losses(self.base_rows, texts)

    def _row_losses(self, rows: Rows, texts: Sequence[Rendered]) -> Float[np.ndarray, " n"]:
        weighted = np.asarray(self._loss(rows, texts).row_losses(self.theta))
        return weighted[: len(texts)] * len(texts)

    def _loss(self, rows: Rows, texts: Sequence[Rendered]) -> ChunkedLoss:
        chunks = chunked(texts, self.shape)
        if jax.device_count() > 1:
            chunks = shard_rows(chunks, mesh())
        return ChunkedLoss(rows, self.params, chunks, self.programs)


def adapt(config: DecoderConfig, adapter: AdapterConfig, params: Any, tensors: Arrays, shape: Shape) -> Adapted:
    """Put an adapter's tensors, under PEFT's names, on base weights.

    The rows of a chunk are rounded up to a multiple of the number of devices.
    """
    devices = jax.device_count()
    shape = shape._replace(chunk=-(-shape.chunk // devices) * devices)
    theta, unravel = flat(adapter_from_peft(config, adapter, tensors))
    decoder = Decoder(config, adapter)
    return Adapted(
        decoder, adapter, params, on_all(theta, mesh()) if devices > 1 else theta,
        response_loss(decoder, unravel), response_loss(Decoder(config), None), shape, Programs(),
    )  # fmt: skip
