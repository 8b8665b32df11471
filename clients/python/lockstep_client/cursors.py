"""Where a device keeps its cursor between two lives."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Cursors:
    """Keeps one cursor for as long as the process lives; what keeps it for longer has these two methods."""

    def __init__(self, cursor: str = "") -> None:
        self._cursor = cursor

    def load(self) -> str:
        """The cursor saved last, "" if there is none."""
        return self._cursor

    def save(self, cursor: str) -> None:
        """Keep this one from now on, and with it what was taken: both survive or neither does."""
        self._cursor = cursor


class BadFile(Exception):
    """The file holds no cursor of the device; the message says why."""


class CursorFile(Cursors):
    """Keeps it in a file. Raises BadFile for one that holds something else, or another device's cursor."""

    def __init__(self, path: str | Path, device: str) -> None:
        self._path = Path(path)
        self._device = device
        super().__init__(self._read() if self._path.exists() else "")

    def save(self, cursor: str) -> None:
        """Keep a cursor; the file is the old or the new one, whatever happens."""
        super().save(cursor)
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        new.write_text(json.dumps({"device": self._device, "cursor": cursor}), encoding="utf-8")
        new.replace(self._path)

    def _read(self) -> str:
        try:
            kept = json.loads(self._path.read_bytes())
            device, cursor = kept["device"], kept["cursor"]
        except (ValueError, LookupError, TypeError) as error:
            raise BadFile(f"{self._path}: not written by lockstep: {error}") from error
        if device != self._device:
            raise BadFile(f"{self._path}: the cursor of device {device!r}")
        return str(cursor)
