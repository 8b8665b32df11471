"""The native part that the tests are of."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.native import compiler
from streams.native.sources import native
from tests.lacking import lacking


@pytest.fixture(scope="session")
def module() -> Any:
    """The native part; only a machine without a compiler may lack it."""
    found = native()
    if found is None and compiler.compiler() is None:
        lacking("no C compiler, or no Python.h")
    assert found is not None, "streams/native is not compiled, or from other sources: make venv"
    return found
