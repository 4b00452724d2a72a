"""Where results live: run folders, atomic writes, and what every record says of its making."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError

#: Libraries whose versions can move a number.
_RECORDED = (
    "tradeoffbounds", "torch", "transformers", "peft", "jax", "flax", "matfree", "numpy", "scipy", "scikit-learn",
    "datasets", "optax",
)  # fmt: skip


def cache_dir() -> Path:
    """The user's cache of this package: ``TRADEOFFBOUNDS_CACHE``, else ``~/.cache/tradeoffbounds``."""
    base = os.environ.get("TRADEOFFBOUNDS_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tradeoffbounds"


def open_run_folder(path: Path) -> Path:
    """Make the folder and prove that it can be written to.

    Raises:
        UserError: it cannot be, with the reason; before anything costly has begun.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"cannot write results to {path}: {error.strerror or error}; choose another --out") from error
    return path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary sibling that becomes ``path`` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files for the owner alone
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As :func:`atomic_path` for a folder; if another process made it meanwhile, theirs stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write JSON atomically; NaN and infinity are refused (``ValueError``), never written."""
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def content_hash(*parts: Any) -> str:
    """SHA-256 of JSON-serialisable parts, the same for the same content on every machine."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def environment(device: str, dtype: str) -> dict[str, Any]:
    """Versions and hardware, for the record."""
    versions: dict[str, str | None] = {}
    for name in _RECORDED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "device": device,
        "dtype": dtype,
        "versions": versions,
    }
