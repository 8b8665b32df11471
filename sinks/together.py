"""Calls that are made as one: the more there is to do, the more each does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """One call at a time; what is asked for meanwhile waits, and is the next one."""

    def __init__(self, call: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        """`call` gives a result for each item, or fails for all."""
        self._call = call
        self._one = asyncio.Lock()
        self._waiting: list[_Part[T, R]] = []

    async def __call__(self, items: Sequence[T]) -> Sequence[R]:
        """The results of these items. Raises what `call` raises."""
        part = _Part[T, R](items)
        self._waiting.append(part)
        try:
            async with self._one:
                if not part.made:
                    await asyncio.sleep(0)  # for what else is asked for in this turn of the loop
                    await self._make()
        finally:
            if not part.made and part in self._waiting:  # whoever asked is cancelled
                self._waiting.remove(part)
        return part.given()

    async def _make(self) -> None:
        parts, self._waiting = self._waiting, []
        try:
            results = await self._call([item for part in parts for item in part.items])
        except Exception as error:
            for part in parts:
                part.made, part.error = True, error
            return
        except asyncio.CancelledError:  # the one whose turn it is: the others are made by whoever comes next
            self._waiting = parts + self._waiting
            raise
        at = 0
        for part in parts:
            part.made, part.results = True, results[at : at + len(part.items)]
            at += len(part.items)


class _Part(Generic[T, R]):
    """What one caller asks for."""

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self.made = False
        self.error: Exception | None = None
        self.results: Sequence[R] = ()

    def given(self) -> Sequence[R]:
        if self.error is not None:
            raise self.error
        return self.results
