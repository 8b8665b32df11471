"""What became of each event of a request to publish, and the answer that says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from edge.problems import PREFIX, Problem

TAKEN: Final = 202
#: Seconds after which what failed for no fault of the event may be sent again.
RETRY_AFTER_S: Final = 2


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one event: 202 and where it lies in `ingest`, or a status of 400 and above with its problem.

    `status` 503 says that it is not known whether the event was taken: send it again with the same id.
    """

    id: str
    source: str
    status: int
    partition: int | None = None
    offset: int | None = None
    type: str = ""
    title: str = ""
    detail: str = ""

    @classmethod
    def taken(cls, id_: str, source: str, partition: int, offset: int) -> Result:
        """The broker has it."""
        return cls(id_, source, TAKEN, partition, offset)

    @classmethod
    def refused(cls, id_: str, source: str, problem: Problem) -> Result:
        """It was not published, or nobody knows."""
        return cls(id_, source, problem.status, None, None, PREFIX + problem.name, problem.title, problem.detail)


class Answer(msgspec.Struct, frozen=True):
    """Status, media type, further headers and body of a response."""

    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes


def answer(results: Sequence[Result]) -> Answer:
    """One status where all results have the same; 207 where they differ. A status of errors makes it a problem."""
    statuses = {result.status for result in results}
    status = statuses.pop() if len(statuses) == 1 else 207 if statuses else TAKEN
    headers = {"Cache-Control": "no-store"}
    if 503 in (status, *statuses):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    body: dict[str, Any] = {"results": results}
    if status < 400:
        return Answer(status, "application/json", headers, msgspec.json.encode(body))
    first = results[0]
    problem = {"type": first.type, "title": first.title, "status": status, "detail": first.detail}
    return Answer(status, "application/problem+json", headers, msgspec.json.encode(problem | body))
