"""Who comes first where processes of one machine want more than it has, as machines of their own would have it."""

from __future__ import annotations

import os
from pathlib import Path

_LOWEST = 19


def stand_back(pid: int, nice: int) -> None:
    """Have a process that runs, with all its threads, stand back behind the others by so many steps of nice.

    Linux weighs whole sessions where it groups them (`man 7 sched`, autogroup): then a process that leads a session
    stands back with it. One in the session of others stands back among these alone.
    """
    for thread in Path(f"/proc/{pid}/task").iterdir():
        least = os.getpriority(os.PRIO_PROCESS, int(thread.name))
        os.setpriority(os.PRIO_PROCESS, int(thread.name), min(_LOWEST, least + nice))
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists() and os.getsid(pid) == pid:
        group.write_text(str(nice))
