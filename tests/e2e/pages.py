"""Runs the examples of a page one after the other, as a reader would, and compares what they print with the page."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from tests.docs.blocks import Block, commands
from tests.docs.shapes import missed
from tests.e2e.system import System
from tests.unit.fakes import ROOT

DEADLINE: Final = 60.0
_POLL: Final = 0.2
#: What only looks may be done again until it sees what the page shows: the pipeline needs a moment.
_LOOKS: Final = re.compile(r"^lockstep (?:pull|trace|audit|dlq list)\b")
#: The edge reads the file of producers and operators again within 10 s.
_NOT_YET: Final = "bad-token"
_PLACE: Final = re.compile(r'"partition":([0-9]+),"offset":([0-9]+)|^([0-9]+):([0-9]+) ', re.MULTILINE)
#: Variables live on from block to block, as in one terminal.
_SCRIPT: Final = "set -euo pipefail -o allexport\n[ ! -f {kept} ] || . {kept}\n{text}\nexport -p > {kept}\n"


@dataclass
class Reader:
    """Somebody with a terminal in `directory`, and one more for each block that holds a socket.

    `instead` says what stands here for what is written there: addresses, places of events.
    """

    system: System
    directory: Path
    instead: dict[str, str]
    listening: list[tuple[Block, subprocess.Popen[str], Path]] = field(default_factory=list)

    def follow(self, block: Block) -> None:
        """Run a block; it must end well and print what the page shows."""
        if any("lockstep listen " in command for command in commands(block.text)):
            self._listen(block)
            return
        looks = all(_LOOKS.match(command) for command in commands(block.text))
        deadline = time.monotonic() + DEADLINE
        printed = ""
        while True:
            status, out, err = self._run(block.text)
            printed += out
            again = looks if status == 0 else _NOT_YET in out + err
            missing = missed(self._here(block.shows), printed) if status == 0 else err + out
            if not missing:
                break
            if not again or time.monotonic() > deadline:
                raise AssertionError(f"{block.where}: {missing}\n{out}\n{err}")
            time.sleep(_POLL)
        self._learn(block.shows, printed)

    def finish(self) -> None:
        """Those who listen have heard what the page shows."""
        for block, process, heard in self.listening:
            self._wait(block, heard, self._here(block.shows))
            if "--count" in block.text:
                assert process.wait(DEADLINE) == 0, heard.read_text()

    def leave(self) -> None:
        """End those who listen."""
        for _, process, _ in self.listening:
            process.terminate()
            process.wait(DEADLINE)

    def _listen(self, block: Block) -> None:
        """Start it in a terminal of its own, and wait until it is online."""
        heard = self.directory / f"listener-{len(self.listening)}"
        with heard.open("w") as out:
            process = self._start(block.text.replace("lockstep listen", "exec lockstep listen"), out)
        self.listening.append((block, process, heard))
        self._wait(block, heard, '…"sync_end"…')

    def _wait(self, block: Block, heard: Path, shows: str) -> None:
        """Wait until somebody who listens has heard that."""
        deadline = time.monotonic() + DEADLINE
        while missing := missed(shows, heard.read_text()):
            assert time.monotonic() < deadline, f"{block.where}: {missing}\n{heard.read_text()}"
            time.sleep(_POLL)

    def _run(self, text: str) -> tuple[int, str, str]:
        process = self._start(text)
        try:
            out, err = process.communicate(timeout=DEADLINE)
        except BaseException:
            process.kill()
            raise
        return process.returncode, out, err

    def _start(self, text: str, out: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        kept = self.directory / ".variables"
        return subprocess.Popen(
            ["bash", "-c", _SCRIPT.format(kept=kept, text=self._here(text))],
            env=dict(self._environment()),
            cwd=self.directory,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE if out == subprocess.PIPE else subprocess.STDOUT,
        )

    def _here(self, text: str) -> str:
        """The same for this run."""
        for written, real in self.instead.items():
            text = text.replace(written, real)
        return text

    def _environment(self) -> Mapping[str, str]:
        path = f"{ROOT / '.venv' / 'bin'}:{self.system.environment()['PATH']}"
        return {**self.system.environment(), "PATH": path}

    def _learn(self, shows: str, printed: str) -> None:
        """Later blocks name the events of this run by their places."""
        written, real = (
            ["{}:{}".format(*filter(None, at)) for at in _PLACE.findall(text)] for text in (shows, printed)
        )
        self.instead.update(zip(written, real, strict=False))
