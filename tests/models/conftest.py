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


@pytest.fixture
def on_hub(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model as the hub's cache keeps `owner/name`; the folder of its files."""
    page, commit = tmp_path / "hub" / "models--owner--name", "0" * 40
    shutil.copytree(copy, page / "snapshots" / commit)
    (page / "refs").mkdir()
    (page / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return page / "snapshots" / commit
