"""The C files of the native part: where they are, and a digest by which a compiled one is known to be of these."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
#: The compiled module.
MODULE: Final = "streams.plain._native"


def digest() -> str:
    """Of all C files and their names, as hexadecimal digits."""
    found = sha256()
    for path in sorted([*FOLDER.glob("*.c"), *FOLDER.glob("*.h")]):
        found.update(b"%s %d " % (path.name.encode(), path.stat().st_size) + path.read_bytes())
    return found.hexdigest()
