"""Chunked value, gradient and Hessian-vector products against closed forms and `jax.hessian`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tradeoffbounds.curvature import products
from tradeoffbounds.curvature.products import BLOCK, ChunkedLoss, Programs

from .losses import Waves, quadratic, quadratic_rows, symmetric, wave_rows

ROWS, SIZE = 7, 5
#: One chunk; full ones; the last filled up with two rows that weigh nothing; one row a chunk.
CHUNKS = (7, 3, 1, 8)


@pytest.fixture
def waves(rng):
    return Waves.random(rng, ROWS, SIZE)


@pytest.fixture
def at(rng):
    return rng.standard_normal(SIZE)


@pytest.fixture
def compilations(monkeypatch):
    """Grows by one with every program compiled, each of which is checked once."""
    seen = []
    monkeypatch.setattr(products, "check_fits", lambda *checked: seen.append(checked))
    return seen


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.usefixtures("float64")
def test_values_and_gradients_are_the_closed_forms(waves, at, chunk):
    """The loss, its rows in their order, and the gradients of both, whatever the chunks."""
    loss, theta = waves.loss(chunk, jnp.float64), jnp.asarray(at)
    value, gradient = loss.value_and_gradient(theta)
    assert float(value) == pytest.approx(waves.rows(at).sum(), rel=1e-12)
    np.testing.assert_allclose(gradient, waves.gradient(at), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(loss.row_losses(theta)[:ROWS], waves.rows(at), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(loss.row_gradients(theta)[:ROWS], waves.row_gradients(at), rtol=1e-11, atol=1e-14)
    assert loss.chunk == chunk


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.usefixtures("float64")
def test_hessian_vector_products_are_those_of_the_dense_hessian(waves, at, rng, chunk):
    """One product, and several after one linearisation, against the closed form and `jax.hessian`."""
    loss, theta = waves.loss(chunk, jnp.float64), jnp.asarray(at)
    vectors = rng.standard_normal((3, SIZE))
    whole = waves.loss(ROWS, jnp.float64)
    dense = jax.hessian(lambda x: wave_rows(x, (), jax.tree.map(lambda array: array[0], whole.chunks)).sum())(theta)
    np.testing.assert_allclose(dense, waves.hessian(at), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(loss.hvp(theta, jnp.asarray(vectors[0])), dense @ vectors[0], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(loss.hvps(theta, jnp.asarray(vectors)), vectors @ dense.T, rtol=1e-11, atol=1e-14)


def test_any_number_of_vectors_goes_through_one_program(waves, at, rng, compilations):
    """They come in blocks, the last of which is filled up; each keeps its place."""
    loss, theta = waves.loss(3, programs=Programs()), jnp.asarray(at, jnp.float32)
    for count in (1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 2):
        vectors = rng.standard_normal((count, SIZE))
        found = loss.hvps(theta, jnp.asarray(vectors, jnp.float32))
        np.testing.assert_allclose(found, vectors @ waves.hessian(at), rtol=0, atol=2e-5)
        assert len(compilations) == 1


def test_a_program_compiled_ahead_is_the_one_that_runs(waves, at, compilations):
    """Nothing is compiled again."""
    loss, theta = waves.loss(3, programs=Programs()), jnp.asarray(at, jnp.float32)
    loss.compile_hvp(theta)
    assert len(compilations) == 1
    np.testing.assert_allclose(loss.hvp(theta, theta), waves.hessian(at) @ at, rtol=0, atol=2e-5)
    assert len(compilations) == 1 and set(loss.programs.temporary_bytes()) == {"hvp"}


@pytest.mark.parametrize("chunk", CHUNKS)
def test_in_float32_only_the_last_digits_differ(waves, at, chunk):
    """What production computes is within float32 rounding of the closed form."""
    loss, theta = waves.loss(chunk), jnp.asarray(at, jnp.float32)
    np.testing.assert_allclose(loss.value_and_gradient(theta)[1], waves.gradient(at), rtol=0, atol=2e-6)
    np.testing.assert_allclose(loss.hvps(theta, jnp.eye(SIZE)), waves.hessian(at), rtol=0, atol=4e-6)
    assert loss.hvp(theta, theta).dtype == loss.row_losses(theta).dtype == jnp.float32


def test_rows_that_weigh_nothing_add_nothing(waves, at):
    """Three chunks of three hold seven rows and two that fill up: zero losses, zero gradients."""
    loss, theta = waves.loss(3), jnp.asarray(at, jnp.float32)
    assert loss.row_losses(theta).shape == (9,) and loss.row_gradients(theta).shape == (9, SIZE)
    assert not np.any(loss.row_losses(theta)[ROWS:]) and not np.any(loss.row_gradients(theta)[ROWS:])


@pytest.mark.usefixtures("float64")
def test_lanczos_tridiagonalises_the_hessian(rng):
    """Basis and matrix reproduce H on the whole space once the steps span it."""
    hessian = symmetric(rng, [-3.0, -1.0, 0.5, 2.0, 7.0])
    loss = quadratic(hessian, dtype=jnp.float64)
    basis, matrix, _, _ = loss.tridiagonalise(jnp.zeros(5), jnp.asarray(rng.standard_normal(5)), 5)
    np.testing.assert_allclose(basis @ basis.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(basis.T @ matrix @ basis, hessian, atol=1e-11)
    np.testing.assert_allclose(np.tril(matrix, -2), 0.0, atol=0)


def test_losses_of_equal_shapes_share_their_programs(waves, at, rng, compilations):
    """The second source of an estimate compiles nothing, and is not given the first one's numbers."""
    programs, theta = Programs(), jnp.asarray(at, jnp.float32)
    other = Waves.random(rng, ROWS, SIZE)
    for each in (waves, other):
        loss = each.loss(3, programs=programs)
        np.testing.assert_allclose(loss.value_and_gradient(theta)[1], each.gradient(at), rtol=0, atol=2e-6)
        np.testing.assert_allclose(loss.hvp(theta, theta), each.hessian(at) @ at, rtol=0, atol=2e-5)
        assert len(compilations) == 2
    loss.hvp(theta + 1, theta)
    assert len(compilations) == 2


def test_another_shape_another_number_of_steps_and_other_rows_compile_anew(waves, at, compilations):
    """What the program depends on is in its key: shapes, static arguments and the rows' function."""
    programs, theta = Programs(), jnp.asarray(at, jnp.float32)
    loss = waves.loss(7, programs=programs)
    loss.row_losses(theta)
    waves.loss(3, programs=programs).row_losses(theta)
    assert len(compilations) == 2
    for steps in (2, 3, 3):
        loss.tridiagonalise(theta, theta, steps)
    assert len(compilations) == 4

    def doubled(*arguments):
        return 2 * wave_rows(*arguments)

    twice = ChunkedLoss(doubled, loss.frozen, loss.chunks, programs)
    np.testing.assert_allclose(twice.row_losses(theta), 2 * loss.row_losses(theta), rtol=1e-6)
    assert len(compilations) == 5


def test_losses_do_not_share_programs_unless_they_are_told_to(at, compilations):
    """Two losses made without programs have one each."""
    frozen, chunks = (jnp.eye(SIZE), jnp.zeros(SIZE)), jnp.ones((1, 1))
    for _ in range(2):
        ChunkedLoss(quadratic_rows, frozen, chunks).row_losses(jnp.asarray(at, jnp.float32))
    assert len(compilations) == 2
