"""The systems of the end-to-end tests, for tests that break what they stand on."""

from tests.e2e.conftest import prepare, running, system, tell

__all__ = ["prepare", "running", "system", "tell"]
