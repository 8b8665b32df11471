"""docs/problems.md: every problem that the edge answers with, by the requests that may meet it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from edge.contracts import openapi
from edge.problems import PREFIX

_HEAD: Final = f"""# HTTP problems

An error of the edge is `application/problem+json` (RFC 9457) with `type`, `title`, `status` and mostly `detail`. The
type is `{PREFIX}` and a name of this list; names do not change, titles and details may. With 429 and
503 the header `Retry-After` says when to come back.

What to do about each: [devices](devices.md#problems), [producers](producers.md#over-http),
[operators](operations.md#operators).

Written by `make reference` from `edge/contracts/openapi.py`; `make lint` fails when it is stale.

| status | name | requests |
|---|---|---|"""
_PAGES: Final[Mapping[str, str]] = {
    "devices": "devices.md#problems",
    "producers": "producers.md#over-http",
    "operators": "operations.md#operators",
}
#: Of requests that are no operation of the document.
_OTHERS: Final = {
    (404, "not-found"): "a path that is none",
    (405, "method-not-allowed"): "a method that the path does not have",
    (426, "upgrade-required"): "[`GET /v1/socket`](devices.md#socket) without an upgrade",
}


def problems_page() -> str:
    """The whole page."""
    where: dict[tuple[int, str], list[openapi.Operation]] = {}
    for operation in openapi.OPERATIONS:
        for status, names in operation.problems.items():
            for name in names:
                where.setdefault((status, name), []).append(operation)
    found = {at: ", ".join(_requests(operations)) for at, operations in where.items()} | _OTHERS
    for status, names in openapi.ALWAYS.items():
        found.update({(status, name): "every request" for name in names})
    rows = [f"| {status} | `{name}` | {requests} |" for (status, name), requests in sorted(found.items())]
    return "\n".join([_HEAD, *rows]) + "\n"


def _requests(operations: Sequence[openapi.Operation]) -> Iterator[str]:
    """Each request, but the tag alone where all of its requests are meant."""
    for tag, page in _PAGES.items():
        own = [each for each in openapi.OPERATIONS if each.tag == tag]
        met = [each for each in own if each in operations]
        if len(own) > 1 and met == own:
            yield f"every request of [{tag}]({page})"
        else:
            yield from (f"[`{each.method.upper()} {each.path}`]({page})" for each in met)
