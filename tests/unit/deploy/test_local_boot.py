"""Servers that boot at the same time."""

from __future__ import annotations

import threading

import pytest

from deploy.local.boot import together
from deploy.local.config import LocalError


def test_when_one_fails_the_others_are_no_longer_waited_for() -> None:
    """Whichever it is; its error is the one that is raised, not those of the cancelled ones."""
    given_up: list[bool] = []

    def slow(cancelled: threading.Event) -> None:
        given_up.append(cancelled.wait(30))
        raise LocalError("was not waited for")

    def broken(cancelled: threading.Event) -> None:
        raise LocalError("does not boot")

    with pytest.raises(LocalError, match="does not boot"):
        together([slow, broken, slow])
    assert given_up == [True, True]


def test_all_are_there_when_none_fails() -> None:
    """Each had its turn while the others had theirs; none is fine too."""
    meeting = threading.Barrier(3, timeout=30)

    def meet(cancelled: threading.Event) -> None:
        meeting.wait()

    together([meet, meet, meet])
    assert not meeting.broken
    together([])
