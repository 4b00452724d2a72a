"""Where results live: run folders, atomic writes, and what every record says of its making."""

from __future__ import annotations

import errno
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
#: How the names of files and folders begin that are not finished. What a killed process leaves begins so.
PARTIAL = ".partial-"
#: What the file system refuses, and what helps.
_REFUSALS = {
    errno.ENOSPC: "free some space", errno.EDQUOT: "free some of your quota", errno.EFBIG: "allow larger files",
    errno.EROFS: "choose another folder", errno.EACCES: "choose another folder", errno.EPERM: "choose another folder",
    errno.ENOTDIR: "choose another folder", errno.EEXIST: "choose another folder", errno.EISDIR: "remove that folder",
    errno.ENAMETOOLONG: "choose a shorter path",
}  # fmt: skip
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TRIAL_BYTES = 2**16


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
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(_TRIAL_BYTES))  # a full disk may have room for an empty file
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot write results to {path}: {reason}; choose another --out") from error
    return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the file system's refusal of what is written inside into one line.

    Raises:
        UserError: there is no space, or no leave to write; ``path`` is named, and what helps.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        refusal, remedy = error.strerror or str(error), _REFUSALS[error.errno]
        raise UserError(f"cannot write {path}: {refusal}; {remedy}, then call again") from error


def full_disk(error: BaseException | None) -> str | None:
    """What the file system said, if there was no space left, which any library may have met; else None."""
    seen: list[BaseException] = []
    while error is not None and not any(error is each for each in seen):
        if isinstance(error, OSError) and error.errno in _FULL:
            return error.strerror or str(error)
        if os.strerror(errno.ENOSPC) in str(error):  # safetensors writes by itself, and raises errors of its own
            return os.strerror(errno.ENOSPC)
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary sibling that becomes ``path`` when the block ends well, and vanishes when it does not.

    Raises:
        UserError: see `writing`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=PARTIAL, suffix=path.suffix)
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
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=PARTIAL))
    try:
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_partial(folder: Path) -> None:
    """Remove what killed processes left half written below a folder that no other process uses now."""
    for path in sorted(folder.rglob(f"{PARTIAL}*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write JSON atomically; NaN and infinity are refused (``ValueError``), never written."""
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    try:
        encoded = text.encode()
    except UnicodeEncodeError:  # a path that is not UTF-8, whose bytes Python keeps as halves of surrogate pairs
        encoded = json.dumps(record, indent=2, allow_nan=False).encode() + b"\n"
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)


def read_json(path: Path) -> dict[str, Any]:
    """A record that `write_json` wrote.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is damaged: no JSON; remove its folder, and it is made again") from error
    if not isinstance(record, dict):
        raise UserError(f"{path}: is damaged: no JSON object; remove its folder, and it is made again")
    return record


def content_hash(*parts: Any) -> str:
    """SHA-256 of JSON-serialisable parts, the same for the same content on every machine."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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
