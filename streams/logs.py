"""JSON logs on standard error: one object a line, ids only, never a payload."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

QUIET = ("faust", "mode", "aiokafka", "cassandra", "asyncio", "aiohttp")


class JsonFormatter(logging.Formatter):
    """A log record as a JSON object."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def configure_logs(process: str, level: str) -> None:
    """Send the logs of this process to standard error; libraries speak from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
