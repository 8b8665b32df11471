"""Events and their refusal."""

from __future__ import annotations

import pytest

from streams.event import BadEvent, Event


def test_a_refusal_says_reason_and_detail() -> None:
    """Both can be read from the exception and stand in its message."""
    bad = BadEvent("no-account", "no subject")
    assert (bad.reason, bad.detail, str(bad)) == ("no-account", "no subject", "no-account: no subject")


def test_an_event_is_frozen_and_needs_little() -> None:
    """Five attributes make an event; the others mean "not given"."""
    event = Event(account="a", source="/s", id="1", type="t", time=0)
    assert (event.payload, event.expires, event.revision, event.device_ids) == (b"", None, -1, ())
    name = "account"
    with pytest.raises(AttributeError):
        setattr(event, name, "b")
