"""Installing Debian packages, where this process may, without starting the services in them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from deploy.local.config import LocalError
from deploy.local.disk import require_room

_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\nexit 101\n"  # "action forbidden": no service is started by its package's installation


def can_install() -> bool:
    """Whether this is Debian, or alike, and we are root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str], report: Callable[[str], None]) -> None:
    """Install the packages; LocalError with apt's reason if that fails."""
    require_room(Path("/var/cache/apt"))
    report(f"apt       installing {', '.join(packages)} ...")
    started = monotonic()
    with (
        tempfile.NamedTemporaryFile("w", prefix="lockstep-apt-", suffix=".log", delete=False) as log,
        _services_stay_down(),
    ):
        _apt(["update"], log.name)
        _apt(["install", "-y", "--no-install-recommends", *packages], log.name)
    Path(log.name).unlink()
    report(f"apt       done in {monotonic() - started:.0f} s")


def _apt(arguments: Sequence[str], log: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments]
    with Path(log).open("a") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, check=False
        )
    if done.returncode:
        raise LocalError(f"apt-get {arguments[0]} failed: {reason(Path(log).read_text())} (all of it: {log})")


def reason(text: str) -> str:
    """The first error in apt's output, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next(
        (line[:300] for line in lines if line.startswith("E:")), lines[-1][:300] if lines else "it gave no reason"
    )


@contextmanager
def _services_stay_down() -> Iterator[None]:
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text(_POLICY_TEXT)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)
