"""A benchmark as a program: it leaves nothing behind, however it is ended."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Final, NoReturn

#: The status of what Ctrl-C has ended.
INTERRUPTED: Final = 130


def launch(main: Callable[[], int]) -> NoReturn:
    """Exit with what `main` returns. SIGTERM is as Ctrl-C is: servers and processes are stopped, data are deleted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = main()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)
