"""Value, gradient and Hessian-vector products of a mean over rows, in chunks of rows.

A loss is given by its rows: ``rows(theta, frozen, chunk)`` returns one weighted loss a row, and the sum
over all chunks is the loss. Chunks have one shape and are scanned: memory is that of one chunk however many
rows there are, and everything compiles once.

A Hessian-vector product is forward-over-reverse (Pearlmutter 1994). Several vectors at one point share one
linearisation of the gradient, which saves the primal half of the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Float
from matfree.decomp import tridiag_sym

from tradeoffbounds.curvature.memory import check_fits

#: Weighted losses, one a row of the chunk, from (theta, frozen, chunk).
Rows = Callable[[Float[Array, " p"], Any, Any], Float[Array, " r"]]

#: Vectors that share one linearisation.
BLOCK = 8


class Programs:
    """Compiled functions by what they compute and the shapes they take; the sources of an estimate share them."""

    def __init__(self) -> None:
        self._compiled: dict[Any, Any] = {}

    def run(self, function: Callable[..., Any], static: tuple[Any, ...], arrays: tuple[Any, ...], *, rows: int) -> Any:
        """``function(*static, *arrays)``, compiled; before its first run for these shapes checked to fit.

        Raises:
            UserError: the memory that the compiler foresees is not there.
        """
        return self.compiled(function, static, arrays, rows=rows)(*arrays)

    def compiled(
        self, function: Callable[..., Any], static: tuple[Any, ...], arrays: tuple[Any, ...], *, rows: int
    ) -> Any:
        """The program for these shapes, checked to fit."""
        leaves, structure = jax.tree.flatten(arrays)
        key = (function, static, structure, *((leaf.shape, leaf.dtype, leaf.sharding) for leaf in leaves))
        if key not in self._compiled:
            # Accelerators would otherwise multiply float32 with ten bits of mantissa.
            with jax.default_matmul_precision("float32"):
                executable = jax.jit(partial(function, *static)).lower(*arrays).compile()
            check_fits(executable, rows, next(iter(leaves[-1].devices())))
            self._compiled[key] = executable
        return self._compiled[key]

    def temporary_bytes(self) -> dict[str, int]:
        """What each kind of program sets aside beside its arguments, the largest of its shapes."""
        found: dict[str, int] = {}
        for (function, *_), executable in self._compiled.items():
            analysis = executable.memory_analysis()
            if analysis is not None:  # a backend that does not say
                name = function.__name__.strip("_")
                found[name] = max(found.get(name, 0), int(analysis.temp_size_in_bytes))
        return found


@dataclass(frozen=True)
class ChunkedLoss:
    """A loss over rows and its derivatives in ``theta``, a flat float32 vector of p parameters.

    Attributes:
        rows: see :data:`Rows`; the same object for all sources of an estimate, so that they share programs.
        frozen: arrays that are not differentiated (base weights).
        chunks: arrays whose first axis counts chunks and whose second counts rows.
    """

    rows: Rows
    frozen: Any
    chunks: Any
    programs: Programs = field(default_factory=Programs)

    @property
    def chunk(self) -> int:
        """Rows that are in memory at once."""
        return int(jax.tree.leaves(self.chunks)[0].shape[1])

    @property
    def _whole(self) -> Any:
        """Where vectors lie: whole, on every device that holds rows."""
        rows = jax.tree.leaves(self.chunks)[0].sharding
        return NamedSharding(rows.mesh, PartitionSpec()) if isinstance(rows, NamedSharding) else rows

    def row_losses(self, theta: Float[Array, " p"]) -> Float[Array, " n"]:
        """The weighted loss of each row; they sum to the loss."""
        return self._run(_row_losses, theta)

    def value_and_gradient(self, theta: Float[Array, " p"]) -> tuple[Float[Array, ""], Float[Array, " p"]]:
        """The loss and its gradient."""
        return self._run(_value_and_gradient, theta)

    def row_gradients(self, theta: Float[Array, " p"]) -> Float[Array, " n p"]:
        """The gradient of each row's weighted loss: n times the memory of one."""
        return self._run(_row_gradients, theta)

    def hvp(self, theta: Float[Array, " p"], vector: Float[Array, " p"]) -> Float[Array, " p"]:
        """Hessian times vector: the work of about two gradients."""
        return self._run(_hvp, theta, vector)

    def compile_hvp(self, theta: Float[Array, " p"]) -> None:
        """Compile :meth:`hvp` without running it."""
        theta = jax.device_put(theta, self._whole)
        self.programs.compiled(_hvp, (self.rows,), (theta, theta, self.frozen, self.chunks), rows=self.chunk)

    def hvps(self, theta: Float[Array, " p"], vectors: Float[Array, " k p"]) -> Float[Array, " k p"]:
        """Hessian times each vector after one linearisation: about one gradient of work each, for more memory."""
        blocks = [vectors[first : first + BLOCK] for first in range(0, len(vectors), BLOCK)]
        padded = [jnp.zeros((BLOCK, theta.size), theta.dtype).at[: len(block)].set(block) for block in blocks]
        products = [
            self._run(_hvps, theta, full, jnp.int32(len(block)))[: len(block)]
            for full, block in zip(padded, blocks, strict=True)
        ]
        return jnp.concatenate(products)

    def tridiagonalise(self, theta: Float[Array, " p"], start: Float[Array, " p"], steps: int) -> Any:
        """Lanczos on the Hessian from ``start``: (basis [steps, p], tridiagonal matrix, residual, 1/|start|)."""
        return self._run(_tridiagonalise, theta, start, static=(steps,))

    def _run(self, function: Callable[..., Any], *arrays: Array, static: tuple[int, ...] = ()) -> Any:
        # Where a vector lies is part of a program: bring all of them to one place.
        arguments = (*jax.device_put(arrays, self._whole), self.frozen, self.chunks)
        return self.programs.run(function, (self.rows, *static), arguments, rows=self.chunk)


def _sum_over_chunks(of_chunk: Callable[[Any], Any], chunks: Any) -> Any:
    """Σ of_chunk(chunk), one chunk at a time."""
    shapes = jax.eval_shape(of_chunk, jax.tree.map(lambda array: array[0], chunks))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def add(total: Any, chunk: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, of_chunk(chunk)), None

    return jax.lax.scan(add, zero, chunks)[0]


def _gradient_of(rows: Rows, frozen: Any, chunk: Any) -> Callable[[Array], Array]:
    return jax.grad(lambda theta: rows(theta, frozen, chunk).sum())


def _row_losses(rows: Rows, theta: Array, frozen: Any, chunks: Any) -> Array:
    return jax.lax.map(lambda chunk: rows(theta, frozen, chunk), chunks).reshape(-1)


def _value_and_gradient(rows: Rows, theta: Array, frozen: Any, chunks: Any) -> Any:
    def of_chunk(chunk: Any) -> Any:
        return jax.value_and_grad(lambda at: rows(at, frozen, chunk).sum())(theta)

    return _sum_over_chunks(of_chunk, chunks)


def _row_gradients(rows: Rows, theta: Array, frozen: Any, chunks: Any) -> Array:
    def of_row(row: Any) -> Array:
        return _gradient_of(rows, frozen, jax.tree.map(lambda array: array[None], row))(theta)

    single = jax.tree.map(lambda array: array.reshape(-1, *array.shape[2:]), chunks)
    return jax.lax.map(of_row, single)


def _hvp(rows: Rows, theta: Array, vector: Array, frozen: Any, chunks: Any) -> Array:
    def of_chunk(chunk: Any) -> Array:
        return jax.jvp(_gradient_of(rows, frozen, chunk), (theta,), (vector,))[1]

    return _sum_over_chunks(of_chunk, chunks)


def _hvps(rows: Rows, theta: Array, vectors: Array, count: Array, frozen: Any, chunks: Any) -> Array:
    """Products of the first ``count`` vectors, zeros for the others: one program whatever their number."""

    def of_chunk(chunk: Any) -> Array:
        _, product = jax.linearize(_gradient_of(rows, frozen, chunk), theta)

        def put(which: Array, products: Array) -> Array:
            return products.at[which].set(product(vectors[which]))

        return jax.lax.fori_loop(0, count, put, jnp.zeros_like(vectors))

    return _sum_over_chunks(of_chunk, chunks)


def _tridiagonalise(rows: Rows, steps: int, theta: Array, start: Array, frozen: Any, chunks: Any) -> Any:
    def product(vector: Array) -> Array:
        return _hvp(rows, theta, vector, frozen, chunks)

    return tridiag_sym(steps, custom_vjp=False)(product, start)
