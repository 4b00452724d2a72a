"""Folders that a test may spoil, and a trap to put into them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tradeoffbounds.models.adapter_config import preset

from ..traps import Marker, set_trap
from .peft_folders import save


@pytest.fixture
def marker(tmp_path_factory: pytest.TempPathFactory) -> Marker:
    return set_trap(tmp_path_factory.mktemp("trap"))


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    """The tiny model."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA adapter as PEFT saves it."""
    save(tmp_path / "adapter", preset("lora", 32))
    return tmp_path / "adapter"
