"""Topics that tests make and delete themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

DEADLINE = 30.0  # seconds


def create(admin: AdminClient, topics: Iterable[NewTopic]) -> None:
    """Make topics and wait until the broker lists them, which is some time after the controller made them."""
    futures = admin.create_topics(list(topics))
    for made in futures.values():
        made.result()
    deadline = time.monotonic() + DEADLINE
    while missing := futures.keys() - admin.list_topics(timeout=10).topics.keys():
        assert time.monotonic() < deadline, missing
        time.sleep(0.02)


def delete(admin: AdminClient, names: Iterable[str]) -> None:
    """Delete topics, but for those that are not there."""
    for gone in admin.delete_topics(list(names)).values():
        try:
            gone.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
