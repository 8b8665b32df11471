"""`make bench-keep BENCHES="route idle"`: runs benchmarks one after the other and keeps their last lines.

That of `make bench-NAME` goes to `bench/results/NAME.json`, with the day, the processor and its cores; plots and pages
are made of these files. A benchmark that failed changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "bench" / "results"


def last_line(output: str) -> dict[str, Any]:
    """The figures that a benchmark ends with. Raises ValueError."""
    lines = output.rstrip().splitlines()
    found = json.loads(lines[-1]) if lines else None
    if not isinstance(found, dict):
        raise ValueError("the last line is no JSON object")
    return found


def figures(name: str) -> dict[str, Any]:
    """The kept figures of a benchmark."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())["figures"]
    return found


def digest(files: Iterable[Path]) -> str:
    """What a picture was drawn from."""
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def machine() -> dict[str, object]:
    """The processor, where the system names it, and how many cores of it there are."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return {"processor": found[1].strip() if found else platform.processor(), "cores": os.cpu_count()}


def keep(name: str) -> bool:
    """Run one benchmark; False where it failed."""
    print(f"bench-{name}", flush=True)
    make = shutil.which("make") or "make"
    ran = subprocess.run([make, "-s", f"bench-{name}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    try:
        found = last_line(ran.stdout)
    except ValueError as error:
        print(f"{ran.stdout}bench-{name}: {error}")
        return False
    print(ran.stdout, flush=True)
    if ran.returncode:
        return False
    kept = {"day": datetime.now(UTC).date().isoformat(), **machine(), "figures": found}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    return True


def main(names: list[str]) -> int:
    """All of them, whatever became of those before; 1 where one failed."""
    failed = [name for name in names if not keep(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
