"""Every command of the pages is run: by the suite as it stands there, or by a target of its own."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from edge.cli import main
from tests.docs.blocks import PAGES, SHELLS, Block, blocks, commands, program
from tests.docs.classes import PROGRAMS, Class, classes
from tests.unit.fakes import ROOT

SHELL_BLOCKS: Final = [block for page in PAGES for block in blocks(page) if block.language in SHELLS]
#: A line that is a command, outside of a block of shell: an example that nobody would run.
_LOOSE: Final = re.compile(r"^ {4}(?:\$ )?(\S+)( .*)?$", re.MULTILINE)
#: What `make help` prints, and the README repeats.
_HELP: Final = re.compile(r"^    make [a-z0-9-]+ {2,}\S", re.MULTILINE)


def of(class_: Class) -> Iterator[str]:
    """The commands of a class."""
    for block in SHELL_BLOCKS:
        if class_ in classes(block):
            yield from commands(block.text)


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: block.where)
def test_every_command_belongs_to_one_class(block: Block) -> None:
    """All of a block to the same one, so that one run has all of it."""
    unknown = [command for command in commands(block.text) if Path(program(command)).name not in PROGRAMS]
    assert unknown == []
    assert len(classes(block)) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_command_stands_outside_of_a_block_of_shell(page: Path) -> None:
    """Where no test would look for it."""
    text = page.read_text()
    for block in blocks(page):
        if block.language in (*SHELLS, "text"):
            text = text.replace(block.text, "")
    programs = {*PROGRAMS, "pip", "git", "python3"} - {"", "for", "until", "cat", "sed", "wait"}
    loose = [line[0].strip() for line in _LOOSE.finditer(_HELP.sub("", text)) if line[1] in programs]
    assert loose == []


def test_targets_of_make_take_what_the_pages_give_them() -> None:
    """They are there, and so are their variables."""
    help_ = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    targets = set(re.findall(r"^  make (\S+)", help_.stdout, re.MULTILINE))
    files = [ROOT / "Makefile", *(ROOT / "bench").rglob("*.*"), *(ROOT / "tests" / "faults").glob("*.py")]
    known = " ".join(path.read_text() for path in files if path.suffix in {".py", ".mk", ""})
    for words in map(shlex.split, (re.sub(r" +# .*", "", command) for command in of("make"))):
        assert words[1] in targets
        assert [each for each in words[2:] if not re.search(rf"\b{each.partition('=')[0]}\b", known)] == []


def test_the_cluster_has_seen_every_command_for_it() -> None:
    """`make chart-e2e` does the same with kubectl and helm, and what they name is there."""
    script = (ROOT / "deploy" / "chart" / "e2e.sh").read_text()
    for words in map(shlex.split, (re.sub(r" +# .*", "", command) for command in of("cluster"))):
        own = [word for at, word in enumerate(words) if not word.startswith("-") and words[at - 1] not in {"-n", "-f"}]
        verb = f"{own[0]} {own[1]}"
        assert re.search(rf"\b{own[0]} (?:-n \S+ )?{own[1]}\b", script), verb
        named = [word for word in words if re.match(r"(?:deploy|examples)/", word)]
        assert [word for word in named if not (ROOT / word).exists()] == []


def test_the_image_is_built_from_a_file_that_is_there() -> None:
    """The one from which `make image-test` builds it."""
    [words] = map(shlex.split, (re.sub(r" +# .*", "", command) for command in of("image")))
    script = (ROOT / "deploy" / "docker" / "image-test.sh").read_text()
    assert f"-f {words[words.index('-f') + 1]} ." in script


def test_the_producer_is_run_with_every_option_that_its_page_gives_it() -> None:
    """By its own test."""
    test = (ROOT / "tests" / "e2e" / "test_node_producer.py").read_text()
    options = {word for command in of("producer") for word in command.split() if word.startswith("--")}
    assert [option for option in options if f'"{option}"' not in test] == []


def inline(page: Path) -> Iterator[str]:
    """Each `lockstep …` in the text of a page."""
    yield from (" ".join(found.split()) for found in re.findall(r"`(lockstep [^`]+)`", page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_options_of_commands_are_there(page: Path) -> None:
    """In the text and in the examples."""
    written = [command for block in blocks(page) if block.language in SHELLS for command in commands(block.text)]
    for command in [*inline(page), *(each for each in written if program(each) == "lockstep")]:
        words = command[command.index("lockstep") :].split()[1:]
        found: click.Command = main
        while isinstance(found, click.Group) and words and words[0].strip(",") in found.commands:
            found = found.commands[words.pop(0).strip(",")]
        known = {name for each in found.params for name in each.opts} | {"--help"}
        given = {re.split(r"[=)]", word)[0] for word in words if re.match(r"--[a-z]", word)}
        assert given <= known, command


def test_a_command_that_nobody_runs_is_found(tmp_path: Path) -> None:
    """So that silence means something."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n    lockstep nothing\n\n```sh\nrm -rf /\n```\n```text\nlockstep said\n```\n")
    [shell, shown] = blocks(page)
    assert (shell.shows, shown.language) == ("lockstep said\n", "text")
    with pytest.raises(KeyError):
        classes(shell)
    assert [line[1] for line in _LOOSE.finditer(page.read_text())] == ["lockstep"]
