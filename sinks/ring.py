"""The ring of Cassandra: which host coordinates the write of a partition."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any


class Ring:
    """Finds a replica for each token, on the driver's view of the cluster.

    Rows whose partitions have the same coordinator share a batch, which then writes each of them locally.
    """

    def __init__(self, metadata: Any, keyspace: str, local_dc: str) -> None:
        self._metadata = metadata
        self._keyspace = keyspace
        self._local_dc = local_dc
        self._seen: Any = None
        self._bounds: list[int] = []
        self._replicas: list[list[Any]] = []

    def coordinator(self, token: int) -> Any | None:
        """The first replica of the local data centre that is not down; None where there is none, or no ring."""
        if self._seen is not self._metadata.token_map:
            self._learn(self._metadata.token_map)
        if not self._bounds:
            return None
        place = bisect_left(self._bounds, token)
        for host in self._replicas[place if place < len(self._bounds) else 0]:
            if host.is_up is not False:
                return host
        return None

    def _learn(self, token_map: Any) -> None:
        """Take over a map of tokens; the driver makes a new one whenever hosts come or go."""
        self._bounds, self._replicas = [], []
        for token in token_map.ring if token_map else ():
            replicas = token_map.get_replicas(self._keyspace, token)
            self._bounds.append(token.value)
            self._replicas.append([host for host in replicas if host.datacenter == self._local_dc])
        self._seen = token_map
