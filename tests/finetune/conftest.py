"""What the tests of fine-tuning share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def start(tiny_folder):
    """The tiny model as `--model` takes it."""
    return str(tiny_folder)


@pytest.fixture(autouse=True)
def on_one_s_own(offline):
    """Nothing in training asks the hub."""
