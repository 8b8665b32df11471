"""Room on the disk, looked at before it is needed."""

import shutil
from pathlib import Path

from deploy.local.config import LocalError

GIB = 1 << 30
NEEDED = 2 * GIB


def require_room(path: Path, needed: int = NEEDED) -> None:
    """LocalError unless the disk that holds the path has `needed` bytes free; the path need not exist yet."""
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise LocalError(
            f"the disk of {path} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} GiB are needed: make room"
        )
