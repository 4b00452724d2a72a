"""Kinds of files that are never opened, whoever made them, and why.

Weights are read from safetensors (and, by ``--model FILE.gguf``, from GGUF), everything else from JSON and tables:
formats that hold data and nothing that runs.
"""

from __future__ import annotations

from pathlib import Path

#: What Python's pickle writes, or wraps into a file of its own: to read one is to run what its author put in.
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npz", ".npy")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".zst")

TO_SAFETENSORS = (
    "convert it to safetensors where you trust it: load it with transformers or PEFT and call save_pretrained('NEW')"
)


def why_refused(name: str) -> str | None:
    """Why a file of this name is never opened, in half a sentence that begins with the name; None if it may be."""
    ending = Path(name).suffix.lower()
    if ending in _PICKLED:
        return f"{name} may hold a pickle, which can run code when it is read, and is never opened"
    if ending in _ARCHIVES:
        return f"{name} is an archive, and archives are never opened; unpack it yourself and look at what is in it"
    return None


def pickled_weights(folder: Path) -> str | None:
    """The name of a file of pickled weights in the folder, the first in order, or None."""
    return next((each.name for each in sorted(folder.iterdir()) if each.suffix.lower() in _PICKLED), None)
