"""What a test needs and a machine may lack."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skip the test, or fail where all is to be tested."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI nothing is skipped: {what}")
    pytest.skip(what)
