"""Generated files that are committed: written, or with --check compared."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def write_or_check(module: str, target: str, pages: Mapping[Path, str], root: Path) -> int:
    """Write what differs, or with --check say what is stale; then the exit status is 1."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check: bool = parser.parse_args().check
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            sys.stderr.write(f"error: {path.relative_to(root)} is stale: run make {target}\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages[path])
            sys.stdout.write(f"wrote {path.relative_to(root)}\n")
    return 1 if check and stale else 0
