"""The measures of the code that no linter takes: length, silenced checks, docstrings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from pathlib import Path

from tests.unit.fakes import ROOT

CLIENT = "clients/python/lockstep_client"
PRODUCT = ("streams", "agents", "sinks", "edge", CLIENT)
OURS = (*PRODUCT, "tests", "bench", "deploy", "examples")
MAX_MODULE = 300
MAX_FUNCTION = 40
MAX_CLIENT = 500
MAX_LINE = 120
SILENCED = re.compile(r"type:\s*ignore|noqa|pragma", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources(*folders: str) -> dict[str, str]:
    """Text of each Python file of these folders, by its path from the root."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


@cache
def tree(path: str) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(Path(ROOT / path).read_bytes(), path)


def functions(path: str) -> Iterator[Function]:
    """Every function and method of a file, nested ones too."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    """Lines from the first statement behind the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def code_lines(path: str) -> int:
    """Lines that are neither blank nor comments nor docstrings."""
    text = sources(CLIENT)[path].splitlines()
    said: set[int] = set()
    for node in ast.walk(tree(path)):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            said |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return sum(n not in said and bool(line.strip()) and line.strip()[0] != "#" for n, line in enumerate(text, 1))


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of each comment."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_the_code_is_found() -> None:
    """The checks below look at something."""
    assert len(sources(*PRODUCT)) > 20
    assert len(sources("tests")) > 10


def test_no_module_is_longer_than_300_lines() -> None:
    """One concept a module."""
    lengths = {path: text.count("\n") for path, text in sources(*PRODUCT).items()}
    assert {path: length for path, length in lengths.items() if length > MAX_MODULE} == {}


def test_no_function_is_longer_than_40_lines() -> None:
    """A function fits the eye; its docstring does not count."""
    lengths = {f"{path}:{f.lineno} {f.name}": body_lines(f) for path in sources(*PRODUCT) for f in functions(path)}
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION} == {}


def test_the_native_part_has_the_same_measures() -> None:
    """Files of 300 lines, functions of 40, and lines of 120."""
    too_long = []
    for path in sorted((ROOT / "streams" / "plain").glob("*.[ch]")):
        lines, start = path.read_text(encoding="utf-8").splitlines(), 0
        for number, line in enumerate(lines, 1):
            start = number if line == "{" else start
            if len(line) > MAX_LINE or (line == "}" and start and number - start - 1 > MAX_FUNCTION):
                too_long.append(f"{path.name}:{number}")
        too_long += [path.name] * (len(lines) > MAX_MODULE)
    assert too_long == []


def test_no_function_imports() -> None:
    """A cycle of modules would hide there. Commands may: each loads what it needs, and no more."""
    found = [
        f"{path}:{node.lineno}"
        for path in sources("streams", "agents", "sinks")
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert found == []


def test_each_client_has_less_than_500_lines() -> None:
    """Who takes one home can read it: lines of code, the device and the producer each with what they stand on."""
    shared = ("connection", "rules")
    for client in (("device", "cursors", *shared), ("producer", *shared)):
        assert sum(map(code_lines, (f"{CLIENT}/{name}.py" for name in client))) < MAX_CLIENT
    assert (ROOT / "clients" / "javascript" / "lockstep.mjs").read_text().count("\n") < MAX_CLIENT


def test_every_module_says_in_one_sentence_what_it_is() -> None:
    """An empty package marker says nothing."""
    said = {path: ast.get_docstring(tree(path)) for path, text in sources(*PRODUCT).items() if text.strip()}
    assert [path for path, docstring in said.items() if not (docstring or "").endswith(".")] == []


def test_no_check_is_silenced() -> None:
    """Types, linter and coverage hold everywhere: no comment turns one off."""
    found = [
        f"{path}:{line} {comment}"
        for path, text in sources(*OURS).items()
        if SILENCED.search(text)
        for line, comment in comments(text)
        if SILENCED.search(comment)
    ]
    assert found == []


def test_every_test_says_in_a_sentence_what_must_be_true() -> None:
    """A failing test explains itself."""
    silent = [
        f"{path}:{function.lineno} {function.name}"
        for path in sources("tests")
        for function in functions(path)
        if function.name.startswith("test_") and not (ast.get_docstring(function) or "").strip().endswith((".", "?"))
    ]
    assert silent == []


def test_the_measures_measure() -> None:
    """A docstring is not counted, a silenced line is seen, and a word in a string is not."""
    source = 'def f():\n    """Says\n    much."""\n    a = 1\n\n    return a\n'
    [function] = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 3
    assert [line for line, comment in comments('x = "noqa"\ny = 1  # NOQA: E501\n') if SILENCED.search(comment)] == [2]


def test_the_coverage_of_the_pure_core_is_asked_of_all_of_it() -> None:
    """The modules of the import contract and those of the coverage gate are the same."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    pure = next(contract for contract in contracts if contract["name"].startswith("The pure core"))
    gate = ConfigParser()
    gate.read(ROOT / "tests" / "pure.coveragerc")
    included = gate["report"]["include"].split()
    paths = [name.replace(".", "/") + ".py" for name in pure["source_modules"]]
    assert included == [path.replace("lockstep_client", CLIENT) for path in paths]
