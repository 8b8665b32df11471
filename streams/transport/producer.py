"""Faust's producer: aiokafka for metadata, the outlet for data."""

from __future__ import annotations

from typing import Any

from faust.transport.drivers import aiokafka as driver

from streams.transport.security import log_in


class BatchProducer(driver.Producer):
    """Starts and stops the outlet with the app, and has Faust's flushes go there."""

    mundane_level = "debug"  # for "Starting..." and the like

    async def on_start(self) -> None:
        """Start serving delivery reports."""
        await super().on_start()
        self.transport.output.start()

    def login(self, username: str, password: str) -> None:
        """Use these for connections made from now on."""
        if self._producer is not None:
            log_in(self._producer.client, username, password)

    async def flush(self) -> None:
        """Flush the outlet; what goes wrong is a failure of the process, after which nothing is committed.

        Raising it here would only keep Faust from revoking or stopping in good order.
        """
        try:
            await self.transport.output.flush()
        except Exception as error:
            self.transport.fail(error)

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: a record sent past the outlet would be neither ordered nor flushed with the others."""
        raise NotImplementedError("put records through the transport's output")

    async def on_stop(self) -> None:
        """Stop serving delivery reports."""
        self.transport.output.stop()
        await super().on_stop()
