"""Settings that the tests of curvature share."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture
def float64():
    """In float64, where formulas can be told from rounding; production runs in float32."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def quick_compilation():
    """For tests that compile much and compute little."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
