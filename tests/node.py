"""Packages of Node.js that tests use."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path


def installed(project: Path) -> Path:
    """The project, with its dependencies installed as its lock file says, once."""
    marker = project / "node_modules" / ".package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < (project / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-progress"], cwd=project, check=True, timeout=300)
    return project


def check_lock(project: Path) -> None:
    """Fail unless the lock file pins every package by its hash, and leaves the registry to the user's npm."""
    lock = json.loads((project / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert all("resolved" not in package and package["integrity"].startswith("sha512-") for package in packages)
