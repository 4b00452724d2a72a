"""Shared fixtures. While tests run, the shapes in the signatures of `tradeoffbounds.bounds` are checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest

from .tiny_models import chat_tokenizer, save_model, tiny_llama

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


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, as the hub's own client understands it."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    return chat_tokenizer(eos_token="<|im_end|>")


@pytest.fixture(scope="session")
def tiny_model() -> Any:
    """A Llama of four layers and random weights, in float32. Leave it as it is."""
    return tiny_llama()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model and its tokenizer on disk, as `--model` takes them."""
    return save_model(tmp_path_factory.mktemp("tiny"))
