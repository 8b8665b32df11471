"""A process beside the measured ones, which takes a JSON line of orders and answers with one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import IO, Any, Final, Self


async def serve(obey: Callable[[dict[str, Any]], Awaitable[Any]]) -> None:
    """In the process: take orders until there are no more."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await obey(json.loads(line))), flush=True)


async def serve_beside(work: Coroutine[Any, Any, None], obey: Callable[[dict[str, Any]], Awaitable[Any]]) -> None:
    """As `serve`, while something else goes on that never ends."""
    beside = asyncio.create_task(work)
    await serve(obey)
    beside.cancel()


#: Seconds that a process has to end in good order.
_PATIENCE: Final = 20.0


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process, by force if it must be."""
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class ChildFailed(Exception):
    """The process ended without an answer."""


class Child:
    """`python -m MODULE`; a context manager that ends it. What it says beside its answers goes to our stderr."""

    def __init__(self, module: str, nice: int = 0) -> None:
        """`nice`: by how much it stands back behind others on its core."""
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if nice:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice))

    def tell(self, **order: Any) -> None:
        """Give an order; its answer is to be read later."""
        print(json.dumps(order), file=self._pipe(self._process.stdin), flush=True)

    def answer(self) -> Any:
        """The answer to the oldest order that has none yet. Raises ChildFailed."""
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise ChildFailed(f"{self._module} ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, **order: Any) -> Any:
        """Give an order and wait for its answer. Raises ChildFailed."""
        self.tell(**order)
        return self.answer()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
