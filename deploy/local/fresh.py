"""What a new user goes through: a clone on a minimal Debian, where nothing is installed (`make test-fresh`)."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.apt import install
from deploy.local.config import NAMES, LocalError, default_home
from deploy.local.disk import GIB, require_room
from deploy.local.ports import free_ports

SUITE = "bookworm"
PACKAGES = ("git", "make", "python3", "ca-certificates")  # what a user has before the clone
GOALS = ("demo ONCE=1", "test")
# How this machine reaches package registries is its own affair: its settings are copied as they are.
SETTINGS = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/npmrc", "/usr/local/share/ca-certificates")
HOME_SETTINGS = (".config/pip/pip.conf", ".pip/pip.conf", ".npmrc", ".m2/settings.xml")
VARIABLES = re.compile(r"(?i).*_proxy|pip_(?!find_links).*|npm_config_.*|maven_.*|.*_ca_.*|.*_certs?(_.*)?")
_ROOT = Path(__file__).resolve().parents[2]


def mirror(text: str) -> str | None:
    """The first package source in the text of an apt source list, of either format."""
    one_line = re.search(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", text, re.MULTILINE)
    stanza = re.search(r"^URIs:\s*(\S+)", text, re.MULTILINE)
    found = one_line or stanza
    return found[1] if found else None


def environment(host: Mapping[str, str]) -> dict[str, str]:
    """The environment of a new user, with this machine's way to the registries."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    passed = {name: value for name, value in host.items() if VARIABLES.fullmatch(name)}
    # The network is this machine's: its own servers may be up, and so may those of the fresh system.
    ports = {f"LOCKSTEP_LOCAL_{name.upper()}_PORT": str(port) for name, port in zip(NAMES, free_ports(3), strict=True)}
    return {**passed, **ports, "HOME": "/root", "PATH": path, "LANG": "C.UTF-8", "TERM": host.get("TERM", "dumb")}


def _host_mirror() -> str:
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))]
    lists += sorted(Path("/etc/apt/sources.list.d").glob("*.list"))
    found = (mirror(path.read_text()) for path in lists if path.exists())
    if address := next((address for address in found if address), None):
        return address
    raise LocalError("no package source found in /etc/apt: test-fresh needs a Debian machine")


def _base(directory: Path) -> Path:
    """A minimal system, made once."""
    base, partial = directory / "base", directory / "base.part"
    if not base.exists():
        print(f"fresh     making a minimal {SUITE} ...", flush=True)
        shutil.rmtree(partial, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE]
        _run([*command, str(partial), _host_mirror()], directory / "debootstrap.log")
        partial.replace(base)
    return base


def _copy_settings(root: Path) -> None:
    for source in map(Path, SETTINGS):
        _copy(source, root / source.relative_to("/"))
    for source in Path("/etc/apt/apt.conf.d").glob("*"):
        if "Acquire" in source.read_text():
            _copy(source, root / source.relative_to("/"))
    _copy(Path("/etc/maven/settings.xml"), root / "root/.m2/settings.xml")
    for name in HOME_SETTINGS:
        _copy(Path.home() / name, root / "root" / name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        target.unlink(missing_ok=True)
        shutil.copy2(source, target)


def _inside(root: Path, script: str) -> list[str]:
    """The command that runs a script in the system, in namespaces that end its mounts and processes with it."""
    # Java finds the disk of a file only below something mounted: the root itself must be.
    mounts = f'mount --bind "{root}" "{root}"; mount --rbind /dev "{root}/dev"; mount -t proc proc "{root}/proc"'
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return [*namespaces, "sh", "-ec", f'{mounts}; exec chroot "{root}" sh -ec "$1"', "sh", script]


def run(goals: Sequence[str]) -> None:
    """Run `make` with each of the goals in a fresh clone on a fresh system; LocalError if one fails."""
    if os.geteuid() != 0:
        raise LocalError("test-fresh needs root, for debootstrap and chroot: run it as root")
    if shutil.which("debootstrap") is None:
        install(["debootstrap"], print)
    variables, directory = environment(os.environ), default_home() / "fresh"
    directory.mkdir(parents=True, exist_ok=True)
    require_room(directory, 6 * GIB)
    root = directory / "root"
    shutil.rmtree(root, ignore_errors=True)
    _run(["cp", "-a", str(_base(directory)), str(root)], directory / "copy.log")
    _copy_settings(root)
    _run(_inside(root, "update-ca-certificates"), directory / "certificates.log", variables)
    _run(["git", "clone", "-q", "--no-hardlinks", str(_ROOT), str(root / "root/lockstep")], directory / "clone.log")
    for goal in goals:
        print(f"fresh     make {goal}", flush=True)
        command = _inside(root, f"cd /root/lockstep; make {goal}")
        done = subprocess.run(command, stdin=subprocess.DEVNULL, env=variables, check=False)
        if done.returncode:
            raise LocalError(f"make {goal} failed on a fresh system (kept in {root})")
    shutil.rmtree(root)


def _run(command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> None:
    with log.open("w") as output:
        failed = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables, check=False
        ).returncode
    if failed:
        last = [line.strip() for line in log.read_text().splitlines() if line.strip()][-1:] or ["it gave no reason"]
        raise LocalError(f"{command[0]} failed: {last[0][:300]} (log: {log})")


def main() -> int:
    """Run the goals of the command line, or all; errors are one line, and exit status 1."""
    try:
        run(sys.argv[1:] or GOALS)
    except (LocalError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("fresh     all passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
