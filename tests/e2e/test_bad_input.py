"""Bad records end alone: each lies between two good events of its batch, which arrive."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any, NamedTuple

import pytest

from streams.outcomes import Reason
from streams.transport.client import Publisher
from tests.e2e.audited import settled
from tests.e2e.events import STRUCTURED, Draft, draft, event, home_of, letters_of, publish, send, terminal, timestamp
from tests.e2e.household import Household
from tests.e2e.system import System


class Case(NamedTuple):
    """A bad record, made for an account and the good event before it, and the reason that it must get."""

    make: Callable[[str, dict[str, Any]], Draft]
    reason: Reason
    detail: str


def raw(value: bytes | None, headers: list[tuple[str, bytes]] = STRUCTURED) -> Callable[[str, object], Draft]:
    """A record with the account's key and these bytes."""
    return lambda account, _: Draft(account.encode(), value, headers)


def changed(**attributes: Any) -> Callable[[str, object], Draft]:
    """A good event, but for these attributes."""

    def make(account: str, _: object) -> Draft:
        return Draft(account.encode(), json.dumps(event(account, **attributes)).encode())

    return make


def binary(**attributes: str) -> Callable[[str, object], Draft]:
    """An event in binary mode, good but for these attributes."""

    def make(account: str, _: object) -> Draft:
        given = {**event(account, data=None, datacontenttype=None), **attributes}
        headers = [
            ("content-type", b"application/json"),
            *((f"ce_{name}", text.encode()) for name, text in given.items()),
        ]
        return Draft(account.encode(), b'{"n":1}', headers)

    return make


def of_a_neighbour(account: str, _: object) -> Draft:
    """An event of an account that belongs on another partition."""
    names = (f"{account}-{number}" for number in count())
    return draft(event(next(name for name in names if home_of(name) != home_of(account))))


def with_another_payload(account: str, first: dict[str, Any]) -> Draft:
    """The id of the event before it, and other data."""
    return draft({**first, "data": {"n": "another"}})


def with_a_long_time(account: str, _: object) -> Draft:
    """Of 900 KB, each of which would be four times as long in a message."""
    value = json.dumps(event(account, time="\x7f" * 900_000), ensure_ascii=False)
    return Draft(account.encode(), value.encode())


DEAD: dict[str, Case] = {
    "no JSON": Case(raw(b"\xff\xfe\x00 not an event"), "undecodable", "JSON is malformed"),
    "cut JSON": Case(raw(b'{"specversion":"1.0","id":"1'), "undecodable", "truncated"),
    "JSON of something else": Case(raw(b"[1, 2]"), "undecodable", "Expected `object`"),
    "no UTF-8": Case(raw(b'{"specversion":"1.0","id":"\xff"}'), "undecodable", "can't decode byte 0xff"),
    "deep JSON": Case(raw(b'{"x":' + b"[" * 10_000), "undecodable", "recursion"),
    "no headers": Case(raw(b"{}", []), "undecodable", "neither ce_ headers"),
    "bad payload in binary mode": Case(
        lambda account, _: binary()(account, _)._replace(value=b"{n"), "undecodable", "JSON is malformed"
    ),
    "null value": Case(raw(None), "null-value", "without a value"),
    "null value and no headers": Case(raw(None, []), "null-value", "neither ce_ headers"),
    "unknown type": Case(changed(type="member.haircut"), "unknown-type", "no use case has the type 'member.haircut'"),
    "no account": Case(changed(subject=None), "no-account", "no subject"),
    "empty account": Case(changed(subject=""), "no-account", "no subject"),
    "another account's key": Case(
        lambda account, _: draft(event("somebody"))._replace(key=account.encode()), "key-mismatch", "'somebody'"
    ),
    "no key": Case(lambda account, _: draft(event(account))._replace(key=None), "key-mismatch", "record key none"),
    "wrong partition": Case(of_a_neighbour, "wrong-partition", "murmur2"),
    "oversized": Case(changed(data="x" * 17_000), "oversized", "limit 16384"),
    "oversized in headers": Case(binary(dataschema="x" * 17_000), "oversized", "limit 16384"),
    "from the future": Case(changed(time=timestamp(3600)), "future-dated", "ms ahead, tolerance 300000 ms"),
    "no time zone": Case(changed(time="2026-11-25T14:05:00"), "bad-attribute", "no time zone"),
    "a time that grows when it is shown": Case(with_a_long_time, "bad-attribute", "Invalid isoformat"),
    "no id": Case(changed(id=None), "bad-attribute", "no id"),
    "another specversion": Case(changed(specversion="0.3"), "bad-attribute", "expected '1.0'"),
    "version that is no number": Case(binary(version="two"), "bad-attribute", "version 'two' is not a number"),
    "unknown device type": Case(changed(devicetypes="tv,toaster"), "bad-attribute", "unknown device type 'toaster'"),
    "same id, another payload": Case(with_another_payload, "conflict", "another payload"),
}

STALE: dict[str, Callable[[str, object], Draft]] = {
    "already expired": changed(time=timestamp(-60), expirytime=timestamp(-30)),
    "already expired, in binary mode": binary(expirytime=timestamp(-1)),
    "older than its use case allows": changed(time=timestamp(-7 * 3600)),
}


async def between_neighbours(
    home: Household, make: Callable[[str, dict[str, Any]], Draft]
) -> tuple[Draft, tuple[int, int]]:
    """Publish good, bad, good in one batch; both televisions get the good ones. The bad one and its place."""
    ours, theirs = await home.on("tv"), await home.on_by_another_library("tv-2")
    first, last = event(home.account), event(home.account)
    bad = make(home.account, first)
    partition = home_of(home.account)
    places = await publish(home.system, partition, [draft(first), bad, draft(last)])
    offset = places[0][1]
    assert places == [(partition, offset), (partition, offset + 1), (partition, offset + 2)]
    for screen in (ours, theirs):
        await screen.shows(first["id"], last["id"])
    return bad, places[1]


@pytest.mark.parametrize("name", DEAD)
async def test_bad_record_goes_to_the_dead_letters(running: System, name: str) -> None:
    """With its key, bytes and headers, where it lay and why; its neighbours in the batch arrive."""
    case = DEAD[name]
    async with Household(running) as home:
        bad, place = await between_neighbours(home, case.make)
        said = await terminal(running, place)
        kind = "conflict" if case.reason == "conflict" else "dead-lettered"
        assert (said.stage, said.outcome.kind) == ("route", kind)
        ((origin, letter),) = await asyncio.to_thread(letters_of, running, place)
        assert (origin.topic, origin.partition, origin.offset) == (running.topic("ingest"), *place)
        assert origin.reason == case.reason
        assert case.detail in origin.detail
        assert said.outcome.detail == f"{origin.reason}: {origin.detail}"
        assert (letter.key, letter.value) == (bad.key, bad.value)
        assert letter.headers[: len(bad.headers)] == bad.headers


async def test_a_record_too_large_for_a_dead_letter_stops_nobody(running: System) -> None:
    """Compressed it is small enough for ingest. Its letter says where the value lies; the audit has nothing to say."""
    began = time.time()
    async with Household(running) as home:
        screen = await home.on("tv")
        large, last = event(home.account, data="x" * (3 << 20)), event(home.account)
        with closing(Publisher(running.kafka, **{"message.max.bytes": 4 << 20})) as publisher:
            key, value, headers = draft(large)
            place = await publisher.publish(running.topic("ingest"), key, value, headers, home_of(home.account))
        await send(running, last)
        await screen.shows(last["id"])
        said = await terminal(running, place)
        size = len(value or b"") + sum(len(name) + len(text) for name, text in headers)
        assert said.outcome.detail == f"oversized: {size} bytes, limit 16384"
        ((origin, letter),) = await asyncio.to_thread(letters_of, running, place)
        assert (letter.key, letter.value, origin.left_out) == (key, None, len(value or b""))
        assert origin.detail.endswith(f"which lie in {running.topic('ingest')} {place[0]}:{place[1]} alone")
    assert not (await asyncio.to_thread(settled, running, began))["broken"]


@pytest.mark.parametrize("name", STALE)
async def test_event_that_no_longer_matters_is_stale(running: System, name: str) -> None:
    """It is no bad record: its outcome says by how much it is too late, and there is no dead letter."""
    async with Household(running) as home:
        _, place = await between_neighbours(home, STALE[name])
        said = await terminal(running, place)
        assert (said.stage, said.outcome.kind, said.outcome.account) == ("route", "stale", home.account)
        assert said.outcome.detail.startswith("route: age ")
        assert await asyncio.to_thread(letters_of, running, place) == []
