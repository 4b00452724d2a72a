"""Everything is tried without a network and with a cache of its own; counts are written where they are asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .trial import COUNTS


@pytest.fixture(autouse=True)
def alone(offline, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("TRADEOFFBOUNDS_DATA", raising=False)


def pytest_sessionfinish():
    path = os.environ.get("TRADEOFFBOUNDS_FUZZ_COUNTS")
    if path and COUNTS:
        Path(path).write_text(json.dumps({target: dict(found) for target, found in sorted(COUNTS.items())}))
