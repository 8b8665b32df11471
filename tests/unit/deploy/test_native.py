"""Compiling the native part: anew where its sources are others, and one line where there is no compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.native import compiler
from streams.native import sources
from tests.lacking import lacking


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, which the compiler takes for the checkout's."""
    for path in [*sources.FOLDER.glob("*.c"), *sources.FOLDER.glob("*.h")]:
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(compiler, "FOLDER", tmp_path)
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    return tmp_path


def test_it_is_compiled_once_and_again_when_a_source_changes(checkout: Path) -> None:
    """A line for each time that something was done."""
    if compiler.compiler() is None:
        lacking("no C compiler, or no Python.h")
    said: list[str] = []
    compiler.refresh(said.append)
    compiler.refresh(said.append)
    assert said == ["native    compiled the router's native part"]
    module, before = checkout / compiler.NAME, sources.digest()
    assert before.encode() in module.read_bytes()
    with (checkout / "hashes.c").open("a") as file:
        file.write("/* changed */\n")
    compiler.refresh(said.append)
    assert len(said) == 2
    assert sources.digest() != before
    assert sources.digest().encode() in module.read_bytes()
    assert [path.name for path in checkout.iterdir() if path.suffix not in (".c", ".h")] == [compiler.NAME]


def test_without_a_compiler_one_line_says_so(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to get one; a module of other sources does not stay."""
    (checkout / compiler.NAME).write_bytes(b"of other sources")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    said: list[str] = []
    compiler.refresh(said.append)
    [line] = said
    assert "without its native part" in line
    assert "apt-get install gcc python3-dev" in line
    assert not (checkout / compiler.NAME).exists()


def test_what_the_compiler_refuses_is_said(checkout: Path) -> None:
    """With its first error; whoever builds a wheel gets an exception instead."""
    if compiler.compiler() is None:
        lacking("no C compiler, or no Python.h")
    (checkout / "hashes.c").write_text("int broken(void) { return nothing; }\n")
    said: list[str] = []
    compiler.refresh(said.append)
    [line] = said
    assert "without its native part" in line
    assert "error: " in line
    assert "nothing" in line
    with pytest.raises(compiler.CompileError):
        compiler.compiled(checkout)
