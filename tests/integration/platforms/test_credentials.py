"""The page's way to a credential, as somebody walks it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sinks.vapid import Vapid, read_key
from tests.docs.blocks import blocks
from tests.unit.fakes import ROOT


def test_a_key_for_browsers_is_made_as_the_page_says(tmp_path: Path) -> None:
    """The worker takes the private half; the public half is the one that it signs with."""
    page = ROOT / "docs" / "platforms.md"
    [commands] = [block.text for block in blocks(page) if block.text.startswith("openssl genpkey")]
    done = subprocess.run(["sh", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    key = read_key((tmp_path / "vapid.pem").read_text(), "LOCKSTEP_WEBPUSH__KEY")
    header = Vapid(key, "mailto:push@lockstep.example").header("https://push.example")
    assert header.endswith(f", k={done.stdout.strip()}")
