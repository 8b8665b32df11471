"""A sink that makes one request a device: many at once, each with its time, none to a provider that has failed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal, NamedTuple, Protocol

from sinks.breaker import Breaker
from sinks.deadlines import Deadlines
from sinks.results import Result, Status
from sinks.turns import Turns
from streams.envelope import Push
from streams.settings import Settings

#: Breakers of so many providers are kept; those that were used the longest ago go first.
_MOST_BREAKERS: Final = 10_000
log = logging.getLogger(__name__)


class Note(NamedTuple):
    """A push for one device, and the token that the device registered with its platform."""

    push: Push
    device: str
    token: bytes


class Answer(NamedTuple):
    """What came of one request: see Result. A `fault` counts against the provider; `busy` is its wish for a pause."""

    status: Status
    detail: str = ""
    after: int = 0
    at: int = 0
    trouble: Literal["", "fault", "busy"] = ""
    tried: bool = True
    sync: bool = False


DELIVERED: Final = Answer("delivered")


class Unusable(Exception):
    """A device's token is none of this platform, and is forgotten; the message says why."""


class Blocked(Exception):
    """A request may not be made; the message says why."""


class Sender(Protocol):
    """How a platform makes one request."""

    def provider(self, note: Note) -> str:
        """Who gets it. Raises Unusable and Blocked."""

    async def send(self, note: Note) -> Answer:
        """Make the request. Raises OSError where there is no answer, Unusable and Blocked."""


#: Says for each note whether it may be sent now (None), or what becomes of it instead.
Admit = Callable[[Sequence[Note]], Awaitable[Sequence[Answer | None]]]


class Circuit:
    """What the stages of a worker share of a platform: how many requests are made at once, and a breaker a provider."""

    def __init__(self, at_once: int) -> None:
        self.turns = Turns(at_once)
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, provider: str) -> Breaker:
        """The breaker of a provider."""
        breaker = self._breakers.pop(provider, None)
        if breaker is None:
            breaker = Breaker()
            while len(self._breakers) >= _MOST_BREAKERS:
                del self._breakers[next(iter(self._breakers))]
        self._breakers[provider] = breaker  # behind all others
        return breaker


class Circuits:
    """The circuits of a worker, by platform."""

    def __init__(self) -> None:
        self._made: dict[str, Circuit] = {}

    def of(self, platform: str, at_once: int) -> Circuit:
        """The circuit of a platform."""
        if platform not in self._made:
            self._made[platform] = Circuit(at_once)
        return self._made[platform]


@asynccontextmanager
async def connect_circuits(_: Settings) -> AsyncIterator[Circuits]:
    """For Resources, so that all stages of a worker have the same."""
    yield Circuits()


class _Request(NamedTuple):
    """A note on its way, the place of its push, and its provider."""

    push: int
    note: Note
    provider: str


class EachSink:
    """Delivers notes one by one, many at the same time, each within `timeout` s."""

    def __init__(self, sender: Sender, circuit: Circuit, *, timeout: float, admit: Admit | None = None) -> None:
        self.answers: Counter[str] = Counter()  # by status
        self._sender = sender
        self._circuit = circuit
        self._deadlines = Deadlines(timeout)
        self._admit = admit

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """One result for each target of each push."""
        now = asyncio.get_running_loop().time()
        results: list[Result] = []
        going: list[_Request] = []
        for number, push in enumerate(pushes):
            for note in notes(push):
                found = self._provider(note, now)
                if isinstance(found, Answer):
                    results.append(_result(number, note, found))
                else:
                    going.append(_Request(number, note, found))
        admitted = await self._admitted(going, results)

        async def work(request: _Request) -> None:
            results.append(_result(request.push, request.note, await self._one(request)))

        await self._circuit.turns.run(admitted, work)  # what waits for its turn is no fault of the provider
        self.answers.update(result.status for result in results)
        return results

    def _provider(self, note: Note, now: float) -> str | Answer:
        """Who gets it, or what becomes of it instead. What is held back by an open circuit uses up no budget."""
        try:
            provider = self._sender.provider(note)
        except Unusable as error:
            return _unusable(error)
        except Blocked as error:
            return _blocked(error)
        wait = self._circuit.breaker(provider).shut(now)
        return _circuit_open(wait) if wait else provider

    async def _admitted(self, going: list[_Request], results: list[Result]) -> list[_Request]:
        """Those that may be sent now; the others have their results."""
        if self._admit is None or not going:
            return going
        refusals = await self._admit([request.note for request in going])
        pairs = list(zip(going, refusals, strict=True))
        results += [_result(request.push, request.note, refusal) for request, refusal in pairs if refusal is not None]
        return [request for request, refusal in pairs if refusal is None]

    async def _one(self, request: _Request) -> Answer:
        try:
            return await self._ask(request.provider, request.note)
        except Unusable as error:
            return _unusable(error)
        except Blocked as error:
            return _blocked(error)
        except Exception:  # a defect, or an answer that nobody foresaw: it is one device's, and the others go on
            log.exception("a request to %s failed", request.provider)
            return Answer("later", "error")

    async def _ask(self, provider: str, note: Note) -> Answer:
        """The provider's answer, if its circuit is closed."""
        loop = asyncio.get_running_loop()
        breaker = self._circuit.breaker(provider)
        wait = breaker.wait(loop.time())
        if wait:
            return _circuit_open(wait)
        try:
            answer = await self._deadlines.within(self._sender.send(note))
        except TimeoutError:
            answer = Answer("later", "timeout", trouble="fault")
        except OSError as error:
            log.warning("no answer from %s: %s", provider, error)
            answer = Answer("later", "unreachable", trouble="fault")
        _judge(breaker, answer, loop.time())
        return answer


def notes(push: Push) -> Iterator[Note]:
    """The notes of a push, one for each of its targets."""
    for target, token in zip(push.targets, push.tokens, strict=True):
        yield Note(push, target[0], token)


def _unusable(error: Unusable) -> Answer:
    return Answer("gone", f"unusable: {error}")


def _blocked(error: Blocked) -> Answer:
    return Answer("refused", f"blocked: {error}")


def _circuit_open(wait: float) -> Answer:
    return Answer("later", "circuit-open", after=int(wait * 1000) + 1, tried=False)


def _judge(breaker: Breaker, answer: Answer, now: float) -> None:
    if answer.trouble == "fault":
        breaker.failed(now)
        return
    breaker.succeeded()
    if answer.trouble == "busy":
        breaker.pause(now, answer.after / 1000)


def _result(number: int, note: Note, a: Answer) -> Result:
    return Result(number, note.device, a.status, a.detail, a.after, a.tried, a.sync, a.at)
