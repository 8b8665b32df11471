"""Compiles streams/native with the C compiler of the machine, where there is one."""

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.native.sources import FOLDER, digest

#: What the module is called, for the Python that runs this.
NAME = f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
WITHOUT = "the router runs without its native part, and takes two to three times the CPU for an event"
CURE = "to have it: apt-get install gcc python3-dev, or what brings a C compiler and Python.h elsewhere"
_FLAGS = ("-std=c11", "-O3", "-fPIC", "-fvisibility=hidden", "-shared")


class CompileError(Exception):
    """The compiler is there, but refuses the sources: what it said."""


def compiler() -> str | None:
    """The C compiler, None where there is none, or none of Python's headers."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    named = shlex.split(os.environ.get("CC", ""))[:1]
    found = next((path for name in (*named, "cc", "gcc", "clang") if (path := shutil.which(name))), None)
    return found if header.is_file() else None


def compiled(into: Path, flags: Sequence[str] = ()) -> Path | None:
    """Compile into a folder; the module, or None without a compiler. Raises CompileError."""
    cc = compiler()
    if cc is None:
        return None
    sources = sorted(str(path) for path in FOLDER.glob("*.c"))
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".native-") as place:
        made = Path(place, NAME)
        include = f"-I{sysconfig.get_path('include')}"
        command = [cc, *_FLAGS, f'-DLOCKSTEP_SOURCE="{digest()}"', *flags, include, *sources, "-o", str(made)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            raise CompileError((lines or done.stderr.splitlines() or ["it gave no reason"])[0][:300])
        return made.replace(into / NAME)  # a process that has the old one open keeps it


def refresh(report: Callable[[str], None]) -> None:
    """Have the module of this checkout up to date; says so only where there is something to do."""
    made = FOLDER / NAME
    if made.is_file() and digest().encode() in made.read_bytes():
        return
    made.unlink(missing_ok=True)
    try:
        found = compiled(FOLDER)
    except CompileError as error:
        report(f"native    {WITHOUT}: the C compiler refuses streams/native: {error}")
        return
    report(f"native    {WITHOUT}; {CURE}" if found is None else "native    compiled the router's native part")
