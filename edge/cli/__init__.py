"""The command `lockstep`: one module for each of its commands."""

from edge.cli.main import main

__all__ = ["main"]
