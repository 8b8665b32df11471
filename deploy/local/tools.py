"""Programs that the servers and the tests need: found, installed by apt where that is possible, else asked for."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.apt import can_install, install
from deploy.local.config import LocalError

JAVA = 17  # Cassandra 5.0 runs on no later one that is still supported
Report = Callable[[str], None]


@dataclass(frozen=True)
class Tool:
    """A program, how it is found, and the Debian package that brings it."""

    what: str
    find: Callable[[], str | None]
    package: str


def java() -> str | None:
    """The path of a Java 17: from JAVA_HOME, the path, or where Debian puts them."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if on_path := shutil.which("java"):
        homes.append(Path(on_path).resolve().parent.parent)
    homes += sorted(Path("/usr/lib/jvm").glob("*17*"))
    candidates = [home / "bin/java" for home in homes]
    return next((str(path) for path in candidates if path.is_file() and _java_version(path) == JAVA), None)


def _java_version(path: Path) -> int | None:
    release = path.resolve().parent.parent / "release"
    if release.exists():
        return java_major(release.read_text())
    return java_major(_output([str(path), "-version"]))


def java_major(text: str) -> int | None:
    """The feature release that a JDK's release file, or `java -version`, names."""
    found = re.search(r'(?:JAVA_VERSION=|version )"(\d+)', text)
    return int(found[1]) if found else None


def _redis() -> str | None:
    path = shutil.which("redis-server")
    found = re.search(r"v=(\d+)", _output([path, "--version"])) if path else None
    return path if found and int(found[1]) >= 7 else None


def _node() -> str | None:
    path = shutil.which("node")
    found = re.match(r"v(\d+)", _output([path, "--version"])) if path else None
    return path if found and int(found[1]) >= 18 else None


def _output(command: list[str]) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


TOOLS = {
    "java": Tool("Java 17", java, "openjdk-17-jre-headless"),
    "javac": Tool("a compiler for Java 17 or later (javac)", lambda: shutil.which("javac"), "openjdk-17-jdk-headless"),
    "mvn": Tool("Maven", lambda: shutil.which("mvn"), "maven"),
    "redis-server": Tool("Redis 7 or later (redis-server)", _redis, "redis-server"),
    "node": Tool("Node.js 18 or later", _node, "nodejs"),
    "promtool": Tool("Prometheus (promtool)", lambda: shutil.which("promtool"), "prometheus"),
    "curl": Tool("curl", lambda: shutil.which("curl"), "curl"),
    "npm": Tool("npm", lambda: shutil.which("npm"), "npm"),
    "chromium": Tool("Chromium", lambda: shutil.which("chromium"), "chromium"),
    "firefox": Tool("Firefox ESR", lambda: shutil.which("firefox-esr"), "firefox-esr"),
}


def require(names: Sequence[str], report: Report) -> None:
    """Have the tools, installing by apt what is missing; LocalError that says what to install where that cannot be."""
    if unknown := [name for name in names if name not in TOOLS]:
        raise LocalError(f"unknown tool {unknown[0]!r}: choose from {', '.join(TOOLS)}")
    wanted = [TOOLS[name] for name in names]
    lacking = [tool for tool in wanted if tool.find() is None]
    if not lacking:
        return
    packages = [tool.package for tool in lacking]
    advice = f"install {' and '.join(tool.what for tool in lacking)} (Debian: apt-get install {' '.join(packages)})"
    if not can_install():
        raise LocalError(f"missing: {advice}")
    install(packages, report)
    if still := [tool.what for tool in lacking if tool.find() is None]:
        raise LocalError(f"apt installed {' '.join(packages)}, but {' and '.join(still)} is still not found: {advice}")
