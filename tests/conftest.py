"""Shared fixtures. While tests run, the shapes in the signatures of `tradeoffbounds.bounds` are checked."""

from __future__ import annotations

from collections.abc import Iterator

import jaxtyping
import numpy as np
import pytest

# Before anything imports the package: the hook rewrites modules as they are loaded.
jaxtyping.install_import_hook("tradeoffbounds.bounds", "beartype.beartype")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def unchecked_shapes() -> Iterator[None]:
    """No shape checks: where the package itself must refuse a wrong shape, and in loops over thousands."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
