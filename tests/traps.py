"""Pickles that run code when they are read: all that the code does is to leave a marker."""

from __future__ import annotations

import pickle
from pathlib import Path


class Trap:
    """To unpickle it is to create a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


class Marker:
    """Where a trap would leave its marker, and the trap itself as bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trap = pickle.dumps(Trap(path))
        #: Python source that does the same.
        self.source = f"from pathlib import Path\nPath({str(path)!r}).touch()\n"

    def sprung(self) -> bool:
        return self.path.exists()


def set_trap(folder: Path) -> Marker:
    """A trap that was tried: it works, and was set anew."""
    found = Marker(folder / "sprung")
    pickle.loads(found.trap)
    assert found.sprung()
    found.path.unlink()
    return found
