"""The transport of an app: its consumer, its output, and the failure that stops both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from faust.transport.drivers import aiokafka as driver

from streams.transport.consumer import BatchConsumer
from streams.transport.failure import Failure
from streams.transport.outlet import Outlet
from streams.transport.producer import BatchProducer
from streams.transport.security import KafkaSecurity


class Chain(NamedTuple):
    """The topics between stages that an app reads and writes: those in which sessions begin with a marker.

    `origin` names the topic whose offsets are positions (`mark.origin_of`), for commits to say so.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    origin: str = ""


NO_CHAIN: Final = Chain(frozenset(), frozenset())


class BatchTransport(driver.Transport):
    """Batches in, gapless outputs out, exact commits. Made by `attach`."""

    Consumer = BatchConsumer
    Producer = BatchProducer

    def __init__(
        self,
        app: Any,
        on_failure: Callable[[BaseException], None],
        producer_config: Mapping[str, object],
        chain: Chain = NO_CHAIN,
        linger: float = 0.0,
        gathered: frozenset[str] = frozenset(),
        security: KafkaSecurity | None = None,
    ) -> None:
        super().__init__(app.conf.broker_consumer, app)
        servers = ",".join(driver.server_list(self.url, self.default_port))
        self.failures = Failure()
        self.failures.listen(on_failure)
        self.chain = chain
        self.linger = linger
        cluster = {**(security or {}), "bootstrap.servers": servers}
        self.reading = {
            **cluster,
            "group.id": app.conf.id,  # demanded by the client, which does not join it
            "fetch.message.max.bytes": app.conf.consumer_max_fetch_size,
        }
        self.output = Outlet({**producer_config, **cluster}, self.failures, marked=chain.writes, gathered=gathered)

    @property
    def failure(self) -> BaseException | None:
        """The first failure of this process; nothing is committed once there is one."""
        return self.failures.cause

    def login(self, username: str, password: str) -> None:
        """Use these for connections to Kafka made from now on."""
        self.output.login(username, password)
        for part in (self.app.consumer, self.app.producer):
            part.login(username, password)

    def fail(self, cause: BaseException) -> None:
        """Stop committing for good. From any thread."""
        self.failures.fail(cause)


def attach(
    app: Any,
    *,
    on_failure: Callable[[BaseException], None] = lambda cause: None,
    producer_config: Mapping[str, object],
    chain: Chain = NO_CHAIN,
    linger: float = 0.0,
    gathered: frozenset[str] = frozenset(),
    security: KafkaSecurity | None = None,
) -> BatchTransport:
    """Give an app its transport, before it starts.

    `on_failure` is called with the first failure, on whichever thread it happens. `producer_config` holds properties
    of librdkafka: `linger.ms`, `message.max.bytes`. `chain` names the topics whose readers keep a
    replay watermark. `linger`: seconds between two reads that give little. `gathered`: topics that nobody waits for.
    Raises KafkaException for a bad property.
    """
    transport = BatchTransport(app, on_failure, producer_config, chain, linger, gathered, security)
    app.transport = app.producer_transport = transport
    return transport
