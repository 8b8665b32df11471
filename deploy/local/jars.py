"""The jars of Kafka and Cassandra, fetched once through Maven into a cache that instances share."""

import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from deploy.local.config import LocalError
from deploy.local.disk import require_room

GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCHED = ("kafka", "cassandra")


def directory(cache: Path, name: str) -> Path:
    """Where the jars of a server are kept; another pom file is another directory."""
    return cache / f"{name}-{hashlib.sha256(_pom(name).read_bytes()).hexdigest()[:12]}"


def missing(cache: Path, name: str) -> bool:
    """Whether the jars of this server are still to be fetched."""
    return name in FETCHED and not directory(cache, name).is_dir()


def fetch(cache: Path, name: str, report: Callable[[str], None]) -> None:
    """Fetch the jars of a server unless they are there; the directory appears only once it is whole."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not missing(cache, name):
            return
        require_room(cache)
        report(f"{name:<9} fetching its jars through Maven ...")
        started, target = monotonic(), directory(cache, name)
        partial = target.with_suffix(".part")
        shutil.rmtree(partial, ignore_errors=True)
        _maven(name, partial, cache / f"{name}.log")
        partial.replace(target)
        size = sum(jar.stat().st_size for jar in target.iterdir()) / 1e6
        report(f"{name:<9} {len(list(target.iterdir()))} jars, {size:.0f} MB in {monotonic() - started:.1f} s")


def _maven(name: str, target: Path, log: Path) -> None:
    command = ["mvn", "-q", "-B", "-C", "-Dstyle.color=never", "-f", str(_pom(name)), GOAL]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    with log.open("w") as output:
        failed = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False).returncode
    if failed or not any(target.glob("*.jar")):
        raise LocalError(f"Maven could not fetch the jars of {name}: {first_error(log.read_text())} (all of it: {log})")


def first_error(text: str) -> str:
    """The first line of Maven's output that says what went wrong, cut to a line's length."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    errors = [line.removeprefix("[ERROR]").strip() for line in plain if line.startswith("[ERROR]")]
    return next((line[:300] for line in errors if line), "it gave no reason")


def _pom(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.pom.xml")
