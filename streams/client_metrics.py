"""What a store looks like to its client: how long requests take, and how many fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from streams.histogram import Histogram
from streams.metrics import Metrics

#: Upper ends of the buckets, s.
EDGES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class ClientMetrics:
    """Counts of one client of a store. A request is one trip, of many commands or rows maybe."""

    def __init__(self, store: str) -> None:
        self._store = store
        self.took = Histogram(EDGES)
        self.failures = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Time what is within; it fails by raising."""
        with self.requests() as took:
            began = time.perf_counter()
            yield
            took.append(time.perf_counter() - began)

    @contextmanager
    def requests(self) -> Iterator[list[float]]:
        """Of many at once: a list for the times of those that are answered, s. They fail by raising, as one."""
        took: list[float] = []
        try:
            yield took
        except Exception:
            self.failures += 1
            raise
        finally:
            for seconds in took:
                self.took.observe(seconds)

    def export(self, metrics: Metrics) -> None:
        """Show these numbers."""
        name, title = self._store, self._store.capitalize()
        metrics.histogram(f"{name}_request_seconds", f"Time of a request to {title}.", (), lambda: {(): self.took})
        metrics.counter(f"{name}_failures", f"Requests that {title} did not answer well.", lambda: self.failures)
