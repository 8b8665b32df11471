"""A new name or password for Kafka, taken from its file while the process runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from streams.logins import current
from streams.settings import Kafka
from streams.transport.security import KafkaSecurity

_LOOK_EVERY: Final = 10.0  # s
log = logging.getLogger(__name__)


class Logins:
    """Tells clients when the file of `security` has another name or password; connections that are open stay so.

    Everything else in the file is read when a process starts: librdkafka takes certificates and mechanisms then only.
    """

    def __init__(self, config: Kafka, *tell: Callable[[str, str], None]) -> None:
        """`tell` is called with name and password, on the thread of `reload`."""
        self._path = config.security_file
        self._known = _login(config.security)
        self._tell = tell

    def reload(self) -> None:
        """Look at the file. One that cannot be read, or holds no login, changes nothing."""
        try:
            found = _login(msgspec.json.decode(current("{}", self._path)))
        except msgspec.DecodeError:
            log.warning("%s is not JSON: the login that it held before stays", self._path)
            return
        if all(found) and found != self._known:
            self._known = found
            for tell in self._tell:
                tell(*found)
            log.info("another login is used for new connections to Kafka")

    async def watch(self) -> None:
        """Look at the file every 10 s, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            self.reload()


def _login(security: KafkaSecurity | Any) -> tuple[str, str]:
    """Name and password; empty where there is none."""
    held = security if isinstance(security, dict) else {}
    return str(held.get("sasl.username", "")), str(held.get("sasl.password", ""))
