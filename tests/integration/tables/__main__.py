"""`python -m tests.integration.tables OPTIONS-AS-JSON`: a worker process."""

from __future__ import annotations

import logging
import os
import sys

from streams.signals import stop_on_signals


def main() -> None:
    """Take signals before the long imports; at the end daemon threads and librdkafka must not delay the exit."""
    stop_on_signals()
    from tests.integration.tables.worker import work

    code = work(sys.argv[1])
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    main()
