"""The C files of the native part, and the compiled one of just these."""

from __future__ import annotations

from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
#: The compiled module.
MODULE: Final = "streams.native._native"


def digest() -> str:
    """Of all C files and their names, as hexadecimal digits."""
    found = sha256()
    for path in sorted([*FOLDER.glob("*.c"), *FOLDER.glob("*.h")]):
        found.update(b"%s %d " % (path.name.encode(), path.stat().st_size) + path.read_bytes())
    return found.hexdigest()


def native() -> Any | None:
    """The native part, None where there is none, or one that was compiled from other sources."""
    try:
        module = import_module(MODULE)
    except ImportError:
        return None
    return module if digest() == module.SOURCE else None
