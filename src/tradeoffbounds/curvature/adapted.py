"""A decoder with an adapter, ready to be differentiated: where weights, adapter and rows come together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh
from jaxtyping import Float

from tradeoffbounds.curvature.blocks import Blocks
from tradeoffbounds.curvature.memory import check_loads
from tradeoffbounds.curvature.products import ChunkedLoss, Programs, Rows
from tradeoffbounds.curvature.response_loss import Shape, chunked, flat, response_loss
from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.decoder import Decoder
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.decoder_weights import Arrays, adapter_from_peft, params_from_transformers
from tradeoffbounds.models.sharding import mesh, on_all, shard_params, shard_rows
from tradeoffbounds.sources.chat import Rendered

#: LoRA starts with B = 0, IA3 with factors of 1, the output head at 0; virtual tokens are no identity.
_IDENTITIES = ("lora", "ia3", "output-head")


def import_params(config: DecoderConfig, state: Arrays, dtype: str, devices: Sequence[Any]) -> Any:
    """Base weights on the device, or cut over all of them.

    Raises:
        UserError: they do not fit.
    """
    size = sum(array.size for array in state.values()) * jnp.dtype(dtype).itemsize
    check_loads(size // len(devices), devices[0])
    # Weights pass through the machine's own memory on their way.
    with jax.default_device(jax.devices("cpu")[0]):
        params = params_from_transformers(config, state, dtype)
    return shard_params(params, mesh(devices))


@dataclass(frozen=True)
class Adapted:
    """One adapter method on one base model.

    Attributes:
        over: the devices that the rows of a chunk are shared among.
        theta: the adapter's parameters before training, one float32 vector.
        identity: at theta the model is the aligned one, by construction.
        shape: of every chunk, common to all sources.
        blocks: the layers that theta's entries belong to; None where some belong to none.
    """

    decoder: Decoder
    config: AdapterConfig
    over: Mesh
    params: Any
    theta: Float[Array, " p"]
    identity: bool
    rows: Rows
    base_rows: Rows
    shape: Shape
    programs: Programs
    blocks: Blocks | None

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
        return ChunkedLoss(rows, self.params, shard_rows(chunked(texts, self.shape), self.over), self.programs)


def adapt(
    config: DecoderConfig,
    adapter: AdapterConfig,
    params: Any,
    tensors: Arrays,
    shape: Shape,
    *,
    devices: Sequence[Any],
    fresh: bool,
) -> Adapted:
    """Put an adapter's tensors, under PEFT's names, on base weights.

    Args:
        params: from :func:`import_params` over the same ``devices``.
        shape: of the chunks; their rows are rounded up to a multiple of the number of devices.
        fresh: the tensors are initial values.
    """
    over = mesh(devices)
    tree = adapter_from_peft(config, adapter, tensors)
    theta, unravel = flat(tree)
    decoder = Decoder(config, adapter)
    return Adapted(
        decoder=decoder,
        config=adapter,
        over=over,
        params=params,
        theta=on_all(theta, over),
        identity=fresh and adapter.method in _IDENTITIES,
        rows=response_loss(decoder, unravel),
        base_rows=response_loss(Decoder(config), None),
        shape=shape._replace(chunk=-(-shape.chunk // over.size) * over.size),
        programs=Programs(),
        blocks=Blocks.of(tree),
    )
