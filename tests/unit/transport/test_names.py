"""The names of the transport are loaded late, and are what they say."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import streams.transport
from tests.unit.fakes import ROOT


def test_every_public_name_is_there_and_no_module() -> None:
    """A module of the same name would hide it once it is imported."""
    found = {name: getattr(streams.transport, name) for name in streams.transport.__all__}
    assert {name: value for name, value in found.items() if isinstance(value, ModuleType)} == {}
    assert not hasattr(streams.transport, "no_such_name")


def test_reading_and_publishing_does_without_faust() -> None:
    """Its import would take most of the time of a short command."""
    modules = "sys, edge.oncall.tracing, edge.oncall.auditing"
    code = f"import {modules}; print({{'faust', 'aiokafka', 'aiohttp'}} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
