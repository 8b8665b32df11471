"""Reads topics.yaml and proves that it is a topology, before anything runs by it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module, resources
from pathlib import Path as File
from typing import Any, Final

import msgspec

from streams.conform import Mistake, conform, unknown
from streams.document import Path, Problem, Unreadable, read
from streams.rules import broken_rules
from streams.settings import Settings
from streams.shortfalls import short_messages, short_windows
from streams.topology import Topology

DEFAULT: Final = "topics.yaml"


class TopologyError(Exception):
    """The topology cannot be used; one line for each problem, `topics.yaml:12: use_cases.my-list.lane: …`."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(_line(source, problem) for problem in self.problems))


def load_file(path: str, settings: Settings | None = None, handlers: bool = True) -> Topology:
    """The topology of a file; of the copy in the package where the default file is not there. Raises TopologyError."""
    try:
        text = File(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        packaged = resources.files("streams").joinpath(DEFAULT)
        if path != DEFAULT or not isinstance(error, FileNotFoundError) or not packaged.is_file():
            raise TopologyError(path, [Problem(0, (), f"cannot read it: {_reason(error)}")]) from error
        text = packaged.read_text(encoding="utf-8")
    return load(text, path, settings, handlers)


def load(text: str, source: str, settings: Settings | None = None, handlers: bool = True) -> Topology:
    """The topology a text describes. Raises TopologyError with every problem.

    `source` is the name shown in errors. With `settings` tables and topics are checked against them too; `handlers`
    imports what the dotted paths name.
    """
    try:
        document = read(text)
    except Unreadable as error:
        raise TopologyError(source, [error.problem]) from error
    result = conform(document.data, Topology)
    mistakes = result if isinstance(result, list) else [*_broken(result, settings, handlers)]
    problems = [*document.problems, *(Problem(document.line(m.path), m.path, m.message) for m in mistakes)]
    if problems or isinstance(result, list):
        raise TopologyError(source, problems)
    return result


def schema() -> dict[str, Any]:
    """The JSON Schema of topics.yaml."""
    made = msgspec.json.schema(Topology)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "The topology of lockstep, topics.yaml"}
    whole: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(head | made))
    return whole


def _line(source: str, problem: Problem) -> str:
    where = f"{source}:{problem.line}" if problem.line else source
    return f"{where}: {_dotted(problem.path)}: {problem.message}" if problem.path else f"{where}: {problem.message}"


def _dotted(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "not UTF-8"


def _broken(topology: Topology, settings: Settings | None, handlers: bool) -> Iterator[Mistake]:
    yield from broken_rules(topology)
    if settings is not None:
        yield from short_windows(topology, settings)
        yield from short_messages(topology, settings)
    if handlers:
        yield from missing_handlers(topology)


def missing_handlers(topology: Topology) -> Iterator[Mistake]:
    """Dotted paths that lead to nothing callable. Imports them: nothing else here does I/O but `load_file`."""
    for name, stage in topology.stages.items():
        for message in _resolve("handler", stage.handler):
            yield Mistake(("stages", name, "handler"), message)
    for name, platform in topology.platforms.items():
        for message in _resolve("sink", platform.sink):
            yield Mistake(("platforms", name, "sink"), message)


def _resolve(what: str, dotted: str) -> Iterator[str]:
    module_name, _, attribute = dotted.rpartition(".")
    try:
        module = import_module(module_name)
    except (
        Exception
    ) as error:  # whatever a module raises while it is imported, the file names a handler that cannot run
        yield f"no {what} {dotted!r}: cannot import {module_name}: {error}"
        return
    if not hasattr(module, attribute):
        yield unknown(what, dotted, (f"{module_name}.{name}" for name in vars(module)))
    elif not callable(getattr(module, attribute)):
        yield f"{what} {dotted!r} cannot be called"
