"""Who calls that is no device: producers and operators, with their tokens and what they may do, from one file."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
#: A SHA-256 in hex: the file never holds a token.
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Tokens = Annotated[tuple[Digest, ...], msgspec.Meta(min_length=1)]
Rate = Annotated[float, msgspec.Meta(gt=0)]
_TOKEN_BYTES: Final = 32
_LOOK_S: Final = 0.1


class BadCallers(Exception):
    """The file cannot be used; the message names it."""


class Producer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may publish: events whose type matches one of `types` (`*` stands for any text), so many a second.

    `rate` and `burst` count for each edge process by itself. Any of several tokens is good: so they are exchanged.
    """

    name: Name
    tokens: Tokens
    types: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    rate: Rate = 1000.0
    burst: Rate = 2000.0

    def may_publish(self, type_: str) -> bool:
        """Whether events of this type are the producer's."""
        return any(fnmatchcase(type_, pattern) for pattern in self.types)


#: What an operator may do: look, change and erase, see the payloads of events.
Right = Literal["read", "write", "payload"]


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may use the operators' port and the console: `read` looks, `write` changes and erases too.

    `payload` shows the data of events in the console, which may be private.
    """

    name: Name
    tokens: Tokens
    may: Annotated[tuple[Right, ...], msgspec.Meta(min_length=1)] = ("read",)


class CallersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    producers: tuple[Producer, ...] = ()
    operators: tuple[Operator, ...] = ()


Caller = Producer | Operator
_decode = msgspec.json.Decoder(CallersFile).decode


class Callers:
    """The callers of a file that may change. Without a file there are none."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = clock()
        self._changed: tuple[int, int] | None = None
        self._known: dict[str, Caller] = {}
        self.reload()

    def reload(self) -> None:
        """Read the file again if it has changed. Raises BadCallers; then the callers stay as they were."""
        try:
            found = self._path.stat()
            changed = found.st_mtime_ns, found.st_size
            if changed != self._changed:
                self._known, self._changed = _by_token(read(self._path)), changed
        except FileNotFoundError:
            self._known, self._changed = {}, None
        except OSError as error:
            raise BadCallers(f"{self._path}: {error.strerror}") from error

    def producer(self, token: str) -> Producer | None:
        """Whose token it is."""
        found = self._find(digest(token))
        return found if isinstance(found, Producer) else None

    def operator(self, token: str) -> Operator | None:
        """Whose token it is."""
        return self.operator_with(digest(token))

    def operator_with(self, digest: str) -> Operator | None:
        """Whose token has this digest."""
        found = self._find(digest)
        return found if isinstance(found, Operator) else None

    def _find(self, token: str) -> Caller | None:
        """Who has the token of this digest. One that is not known may have just been made: the file is looked at, ten
        times a second at most.
        """
        found = self._known.get(token)
        if found is None and self._clock() - self._looked >= _LOOK_S:
            self._looked = self._clock()
            with suppress(BadCallers):  # said by whoever reloads regularly
                self.reload()
            found = self._known.get(token)
        return found


def read(path: Path) -> CallersFile:
    """The callers of a file. Raises OSError or BadCallers."""
    return _checked(path, path.read_bytes())


def _checked(path: Path, text: bytes) -> CallersFile:
    try:
        file = _decode(text)
        _by_token(file)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadCallers(f"{path}: {error}") from error
    return file


def digest(token: str) -> str:
    """What the file holds of a token. Tokens are random and long: neither salt nor slow hash is needed."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def fresh_token(kind: str) -> str:
    """A token that nobody has, with its kind in front so that it is known when it turns up where it should not."""
    return f"lockstep-{kind}-{secrets.token_urlsafe(_TOKEN_BYTES)}"


def put(path: Path, caller: Caller) -> None:
    """Write a caller into the file, in place of one of the same name and kind. Raises OSError or BadCallers."""
    file = read(path) if path.exists() else CallersFile()
    kind = "producers" if isinstance(caller, Producer) else "operators"
    others = [each for each in getattr(file, kind) if each.name != caller.name]
    changed = msgspec.structs.replace(file, **{kind: (*others, caller)})
    text = msgspec.json.format(msgspec.json.encode(changed)) + b"\n"
    _checked(path, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
        written.write(text)
    new.replace(path)


def _by_token(file: CallersFile) -> dict[str, Caller]:
    """Raises ValueError for a token that is not one caller's alone."""
    found: dict[str, Caller] = {}
    callers: tuple[Caller, ...] = (*file.producers, *file.operators)
    for caller in callers:
        for token in caller.tokens:
            if token in found:
                raise ValueError(f"{caller.name} and {found[token].name} have the same token")
            found[token] = caller
    return found
