"""The mutants by name, and how one gets into a process."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

#: The process is a mutant: read by `site/sitecustomize.py`, which is on the path of child processes alone.
VARIABLE: Final = "MUTANT"
#: Every module of this folder but this one and the tests declares mutants.
_HOMES: Final = sorted({path.stem for path in Path(__file__).parent.glob("[!_]*.py")} - {"registry", "test_mutants"})


class Mutant(NamedTuple):
    """A mistake: what it is, the test that must fail with it, and how it is made."""

    name: str
    mistake: str
    caught_by: str
    make: Callable[[], None]


_known: dict[str, Mutant] = {}


def mutant(caught_by: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Declare a function that makes the mistake; its name is the mutant's, its docstring says what is wrong."""

    def declare(make: Callable[[], None]) -> Callable[[], None]:
        _known[make.__name__] = Mutant(make.__name__, make.__doc__ or "", caught_by, make)
        return make

    return declare


def replace(owner: Any, name: str, value: object) -> None:
    """Put `value` in the place of a part of the product. Raises AttributeError where there is no such part any more."""
    getattr(owner, name)
    setattr(owner, name, value)


def mutants() -> dict[str, Mutant]:
    """All mutants by name."""
    for home in _HOMES:
        importlib.import_module(f"tests.mutants.{home}")
    return dict(_known)


def apply(name: str) -> None:
    """Make this process a mutant. Raises KeyError for a name that is none."""
    mutants()[name].make()
