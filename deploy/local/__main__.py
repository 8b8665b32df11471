"""Command line: `python3 -m deploy.local up|down|status|tools|venv`."""

import argparse
import errno
import os
import sys
from pathlib import Path

from deploy.local import servers, tools, venv
from deploy.local.config import DEFAULT_PORTS, NAMES, Config, LocalError, checked_names, default_home, default_ports
from deploy.local.tools import TOOLS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m deploy.local", description=sys.modules["deploy.local"].__doc__)
    parser.add_argument("action", choices=["up", "down", "status", "tools", "venv"])
    parser.add_argument("--home", type=Path, help="state directory (LOCKSTEP_LOCAL_HOME, else .local)")
    parser.add_argument("--jars", type=Path, help="cache of jars (HOME/jars)")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=NAMES, help="some of kafka,cassandra,redis"
    )
    parser.add_argument(
        "--with", dest="more", type=lambda text: text.split(","), default=(), help=f"tools: some of {','.join(TOOLS)}"
    )
    for name in NAMES:
        parser.add_argument(
            f"--{name}-port",
            type=int,
            metavar="PORT",
            help=f"LOCKSTEP_LOCAL_{name.upper()}_PORT, else {DEFAULT_PORTS[name]}",
        )
    return parser


def _run(arguments: argparse.Namespace) -> None:
    home = (arguments.home or default_home()).absolute()
    ports = {name: getattr(arguments, f"{name}_port") or port for name, port in default_ports(os.environ).items()}
    config = Config(home, (arguments.jars or home / "jars").absolute(), ports)
    names = checked_names(arguments.only)
    match arguments.action:
        case "up":
            servers.start(config, names, _say)
        case "down":
            servers.stop(home, names, _say)
        case "status":
            for name, process in servers.status(home).items():
                _say(f"{name:<9} " + (f"up on 127.0.0.1:{process.port}, pid {process.pid}" if process else "down"))
        case "tools":
            tools.require(arguments.more, _say)
            servers.prepare(config, names, _say)
        case "venv":
            venv.make(_say)


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Do what the command line says; errors are one line, and exit status 1."""
    try:
        _run(_parser().parse_args())
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        full = "the disk is full: make room; " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        print(f"error: {full}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
