"""Base weights and rows over several devices; the compiler puts in the communication.

One axis for both: every weight is cut along its largest axis that the devices divide (fully sharded data
parallelism), the rows of a chunk among the devices, and the adapter's parameters are on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "devices"


def mesh(devices: Sequence[Any]) -> Mesh:
    """The devices in a row; one device is a row too."""
    return Mesh(np.asarray(devices), (AXIS,))


def shard_params(params: Any, over: Mesh) -> Any:
    """Base weights, each cut along its largest axis that divides; what no axis divides is on every device."""
    return jax.tree.map(lambda array: jax.device_put(array, NamedSharding(over, _cut(array.shape, over.size))), params)


def shard_rows(chunks: Any, over: Mesh) -> Any:
    """Chunks [c, r, ...] with their rows among the devices; ``r`` must be a multiple of the number of devices."""
    rows = NamedSharding(over, PartitionSpec(None, AXIS))
    return jax.tree.map(lambda array: jax.device_put(array, rows), chunks)


def on_all(theta: Array, over: Mesh) -> Array:
    """The adapter's parameters, whole on every device."""
    return jax.device_put(theta, NamedSharding(over, PartitionSpec()))


def _cut(shape: tuple[int, ...], devices: int) -> PartitionSpec:
    divided = [axis for axis, size in enumerate(shape) if size % devices == 0 and size >= devices]
    if not divided or devices == 1:
        return PartitionSpec()
    largest = max(divided, key=lambda axis: shape[axis])
    return PartitionSpec(*(AXIS if axis == largest else None for axis in range(len(shape))))
