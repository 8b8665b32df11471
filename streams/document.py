"""A YAML text as plain data, with the line of each value and every key that stands there twice."""

from __future__ import annotations

from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_TEXT = "tag:yaml.org,2002:str"
#: Where a value stands: keys of mappings, places in lists.
Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """A mistake: its line (1 is the first), the path of the value, what is wrong."""

    line: int
    path: Path
    message: str


class Unreadable(Exception):
    """The text is no YAML document."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, (), message)


class Document(NamedTuple):
    """Plain data; `lines` has the line of each path, that of the key for a value of a mapping."""

    data: Any
    lines: dict[Path, int]
    problems: list[Problem]

    def line(self, path: Path) -> int:
        """The line of a path, of the nearest value around it where it is not there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """Read one YAML 1.2 document. Keys that are doubled or no text are problems. Raises Unreadable."""
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise Unreadable(line, f"not YAML: {getattr(error, 'reason', error)}") from error
    if root is None:
        raise Unreadable(1, "the file is empty")
    reader = _Reader(yaml)
    data = reader.value(root, (), ())
    return Document(data, reader.lines, reader.problems)


class _Reader:
    def __init__(self, yaml: YAML) -> None:
        self._construct = yaml.constructor.construct_object
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: Node, path: Path, around: tuple[Node, ...]) -> Any:
        self.lines.setdefault(path, _line(node))
        if node in around:
            self._problem(node, path, "a value that holds itself")
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path, (*around, node))
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, place), (*around, node)) for place, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path, around: tuple[Node, ...]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, path, "a key must be text, not a list or mapping")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key_node.tag != _TEXT:
                self._problem(key_node, here, "a key must be text; put it in quotes")
                continue
            if key in mapping:
                self._problem(key_node, here, f"named twice, first in line {self.lines[here]}")
                continue
            self.lines[here] = _line(key_node)
            mapping[key] = self.value(value_node, here, around)
        return mapping

    def _scalar(self, node: Node, path: Path) -> Any:
        try:
            return self._construct(node, deep=True)
        except (YAMLError, ValueError) as error:
            self._problem(node, path, f"cannot read {node.value!r}: {getattr(error, 'problem', error)}")
            return None

    def _problem(self, node: Node, path: Path, message: str) -> None:
        self.problems.append(Problem(_line(node), path, message))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
