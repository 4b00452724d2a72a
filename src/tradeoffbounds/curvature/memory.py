"""Is there room? The compiler knows what a program needs before it runs; the machine knows what is free."""

from __future__ import annotations

from typing import Any

import jax
import psutil

from tradeoffbounds.errors import UserError

_GB = 1e9
#: Share of the free memory that a program may take: the allocator needs some of the rest.
_USABLE = 0.95


def available_bytes(device: Any | None = None) -> int:
    """Free memory of a JAX device, or of the machine where the device shares its memory."""
    device = device or jax.devices()[0]
    statistics = device.memory_stats() if device.platform != "cpu" else None
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics["bytes_in_use"])
    return int(psutil.virtual_memory().available)


def check_fits(executable: Any, rows: int, device: Any | None = None) -> None:
    """Refuse a compiled program that needs more than there is, before it runs.

    Args:
        executable: what ``jax.jit(f).lower(...).compile()`` returns.
        rows: rows of a chunk, which the need grows with.
        device: where it will run; JAX's first where not given.

    Raises:
        UserError: how much is needed and free, and the chunk that would fit.
    """
    analysis = executable.memory_analysis()
    if analysis is None:  # a backend that does not say
        return
    needed = analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    usable = available_bytes(device) * _USABLE
    if needed <= usable:
        return
    # Results do not grow with the rows, nor does some of the rest: leave a tenth for that.
    growing = max(analysis.temp_size_in_bytes, 1)
    fitting = int(0.9 * rows * (usable - analysis.output_size_in_bytes) / growing)
    said = f"curvature of {rows} rows at once needs {needed / _GB:.1f} GB beside what is loaded; {usable / _GB:.1f} GB"
    if fitting >= 1:
        raise UserError(f"{said} are free: use --chunk {fitting}")
    raise UserError(f"{said} are free, too few for a single row: use a smaller --max-tokens or a smaller model")


def check_loads(weight_bytes: int, device: Any | None = None) -> None:
    """Refuse weights that do not fit beside what is loaded. Raises UserError."""
    usable = available_bytes(device) * _USABLE
    if weight_bytes > usable:
        raise UserError(
            f"the decoder's weights take {weight_bytes / _GB:.1f} GB and {usable / _GB:.1f} GB are free: "
            "use --dtype bfloat16, a smaller model, or --curvature off"
        )
