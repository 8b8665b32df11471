"""The answer to a request to publish: one status where all agree."""

from __future__ import annotations

import json

from edge.ingest.results import Result, answer
from edge.problems import Problem

TAKEN = Result.taken("e-1", "/a", 3, 47)
BAD = Result.refused("e-2", "/a", Problem(400, "event-bad-attribute", "No event", "no time"))
AWAY = Result.refused("e-3", "/a", Problem(503, "unavailable", "Kafka cannot be reached", "send it again"))


def test_all_taken() -> None:
    """202 with the places."""
    found = answer([TAKEN])
    assert (found.status, found.content_type) == (202, "application/json")
    assert json.loads(found.body) == {
        "results": [{"id": "e-1", "source": "/a", "status": 202, "partition": 3, "offset": 47}]
    }
    assert "Retry-After" not in found.headers
    assert answer([]).status == 202


def test_all_failed_alike() -> None:
    """A problem of that status, with the results."""
    found = answer([BAD, BAD])
    body = json.loads(found.body)
    assert (found.status, found.content_type) == (400, "application/problem+json")
    assert (body["type"], body["status"]) == ("urn:lockstep:problem:event-bad-attribute", 400)
    assert [each["id"] for each in body["results"]] == ["e-2", "e-2"]
    assert int(answer([AWAY]).headers["Retry-After"]) > 0


def test_they_differ() -> None:
    """207; where any is to be sent again, when."""
    found = answer([TAKEN, BAD])
    assert (found.status, found.content_type) == (207, "application/json")
    assert "Retry-After" not in found.headers
    assert "Retry-After" in answer([TAKEN, AWAY]).headers
