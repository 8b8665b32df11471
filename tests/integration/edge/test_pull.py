"""Pull, registration and acks over HTTP on a real edge."""

from __future__ import annotations

from typing import Any

import pytest
from lockstep_client import Closed, Refused

from edge import cursor as cursors
from streams.outcomes import ANY_LANE, Outcome, decode_outcomes
from streams.targets import Predicate
from streams.transport.client import partition_for, read_partition
from tests.integration.edge.conftest import House, Houses, seq_of, until


async def get(house: House, path: str, token: str = "", **headers: str) -> tuple[int, dict[str, Any], Any]:
    """Status, body and headers of a request."""
    headers["Authorization"] = f"Bearer {token or house.token('tv-1')}"
    async with house.http.get(f"{house.base}/v1/devices/{path}", headers=headers) as response:
        body = await response.json(content_type=None) if response.status != 304 else {}
        return response.status, body, response.headers


async def test_a_device_registers_pulls_and_acks(house: House) -> None:
    """Its first cursor is that of now; what comes later is pulled, once, and acked."""
    await house.store(1, 1)
    async with house.client("phone-1", "phone") as phone:
        answer = await phone.register("phone", "2.14.3", capabilities=("rich",))
        assert answer["device"]["app_version"] == "2.14.3"
        assert (await phone.describe())["device"] == answer["device"]
        await house.store(1, 2, 3)
        page = await phone.pull()
        assert [item["data"]["n"] for item in page.items] == [2, 3]
        assert not page.more
        assert page.poll_after > 100
        await phone.ack()
        assert (await phone.pull()).items == []
        again = await phone.register("phone", "2.15")
        assert again["device"]["registered"] == answer["device"]["registered"]
        await phone.forget()
        with pytest.raises(Refused, match="unknown-device"):
            await phone.pull()


async def test_pages_by_limit_over_lanes(house: House) -> None:
    """Higher lanes first; wherever the limit cuts, the next page goes on there, and nothing comes twice."""
    await house.store(2, *range(10, 25))
    await house.store(0, *range(30, 35))
    await house.store(3, 40)
    expected = [*range(30, 35), *range(10, 25), 40]
    for limit in (1, 4, 5, 20, 21, 200):
        async with house.client("tv-1") as tv:
            got: list[int] = []
            pages = 0
            more = True
            while more:
                page = await tv.pull(limit)
                assert len(page.items) <= limit
                got += [item["data"]["n"] for item in page.items]
                more = page.more
                pages += 1
                assert pages < 50
            assert got == expected
            assert tv.seen.repeats == 0


async def test_every_item_has_a_cursor_to_go_on_from(house: House) -> None:
    """A device that stops in the middle of a page loses nothing."""
    await house.store(1, 1, 2)
    await house.store(3, 3, 4)
    async with house.client("tv-1") as tv:
        items = (await tv.pull()).items
    for number, item in enumerate(items):
        async with house.client("tv-1", cursor=item["cursor"]) as tv:
            rest = (await tv.pull()).items
        assert [each["id"] for each in rest] == [each["id"] for each in items[number + 1 :]]


async def test_a_page_is_cut_by_bytes(houses: Houses) -> None:
    """A first item always fits."""
    house = await houses.open(page_bytes=10_000)
    await house.register("tv-1")
    await house.writer.write([house.row(1, number, size=4000) for number in range(1, 6)])
    await house.writer.write([house.row(1, 6, size=15_000)])
    async with house.client("tv-1") as tv:
        sizes = []
        more = True
        while more:
            page = await tv.pull()
            sizes.append(len(page.items))
            more = page.more
    assert sizes == [2, 2, 1, 1]


async def test_the_cursor_passes_rows_of_other_devices(house: House) -> None:
    """A page may be empty while there is more."""
    nobody = Predicate(ids=("tv-2",))
    await house.writer.write([house.row(2, number, nobody) for number in range(1, 41)])
    await house.store(2, 41)
    async with house.client("tv-1") as tv:
        pages = []
        more = True
        while more:
            found = await tv.pull(limit=2)
            pages.append([item["data"]["n"] for item in found.items])
            more = found.more
        assert [number for page in pages for number in page] == [41]
        assert pages[0] == []
        assert cursors.decode(tv.cursor, 4).positions[2] == seq_of(41)


async def test_lanes_are_independent(house: House) -> None:
    """A lane that lags behind the others loses nothing when it comes."""
    await house.store(0, 100)
    async with house.client("tv-1") as tv:
        assert len((await tv.pull()).items) == 1
        await house.store(3, 7)
        assert [item["data"]["n"] for item in (await tv.pull()).items] == [7]


async def test_nothing_new_is_answered_without_the_inbox(house: House) -> None:
    """304 once all heads are known and the cursor is at them; not for an older cursor with the same tag."""
    for lane in range(4):
        await house.store(lane, lane + 1)
    _, first, headers = await get(house, "tv-1/notifications?limit=2")
    _, second, headers = await get(house, f"tv-1/notifications?cursor={first['next_cursor']}")
    assert (len(first["items"]), len(second["items"])) == (2, 2)
    tag = headers["ETag"]
    at_end = f"tv-1/notifications?cursor={second['next_cursor']}"
    status, _, headers = await get(house, at_end, **{"If-None-Match": tag})
    assert (status, headers["ETag"]) == (304, tag)
    status, body, _ = await get(house, at_end)
    assert (status, body["items"]) == (200, [])
    status, body, _ = await get(house, f"tv-1/notifications?cursor={first['next_cursor']}", **{"If-None-Match": tag})
    assert (status, len(body["items"])) == (200, 2)
    await house.store(3, 9)
    status, body, _ = await get(house, at_end, **{"If-None-Match": tag})
    assert (status, len(body["items"])) == (200, 1)


async def test_errors_are_problems_with_stable_types(house: House) -> None:
    """Each with its status; the neighbour's request goes on working."""
    old = cursors.encode(cursors.Cursor(cursors.fingerprint(house.account), 1, (0,) * 4))
    stranger = house.token("stranger")
    for path, token, status, name in (
        ("tv-1/notifications", "x", 401, "bad-token"),
        ("tv-1/notifications", house.token("tv-1", lifetime=-999), 401, "bad-token"),
        ("tv-2/notifications", "", 403, "wrong-device"),
        ("tv-2", "", 403, "wrong-device"),
        ("stranger/notifications", stranger, 404, "unknown-device"),
        ("stranger", stranger, 404, "unknown-device"),
        ("tv-1/notifications?cursor=%00", "", 400, "malformed-cursor"),
        ("tv-1/notifications?cursor=nonsense", "", 400, "malformed-cursor"),
        ("tv-1/notifications?limit=0", "", 400, "bad-limit"),
        ("tv-1/notifications?limit=201", "", 400, "bad-limit"),
        ("tv-1/notifications?limit=x", "", 400, "bad-limit"),
        (f"tv-1/notifications?cursor={old}", "", 410, "resync-required"),
        ("tv-1/nothing", "", 404, "not-found"),
        ("../socket", "", 426, "upgrade-required"),
    ):
        found, body, headers = await get(house, path, token)
        assert (found, body.get("type")) == (status, f"urn:lockstep:problem:{name}"), path
        assert body["status"] == status
        assert headers["Content-Type"] == "application/problem+json"
    async with house.http.get(f"{house.base}/v1/devices/tv-1") as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await get(house, "tv-1/notifications"))[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"", 400, "malformed-body"),
        (b"[]", 400, "malformed-body"),
        (b'{"type":"tv"}', 400, "malformed-body"),
        (b'{"type":"tv","app_version":"1","color":"red"}', 400, "malformed-body"),
        (b'{"type":"tv","app_version":"one"}', 400, "malformed-app-version"),
        (b'{"type":"toaster","app_version":"1"}', 400, "unknown-device-type"),
        (b'{"type":"phone","app_version":"1"}', 403, "wrong-device-type"),
        (b'{"type":"tv","app_version":"1","platform":"smoke"}', 400, "unknown-platform"),
        (b'{"type":"tv","app_version":"1","platform":"apns","token":"none"}', 400, "malformed-token"),
        (
            b'{"type":"tv","app_version":"1","platform":"webhook","token":"https://a.org/"}',
            400,
            "malformed-token",
        ),
        (b" " * 70_000, 413, "request-entity-too-large"),
    ],
)
async def test_a_registration_that_is_refused(house: House, body: bytes, status: int, name: str) -> None:
    """Leaves nothing behind."""
    headers = {"Authorization": f"Bearer {house.token('tv-9')}"}
    async with house.http.put(f"{house.base}/v1/devices/tv-9", data=body, headers=headers) as response:
        problem = await response.json(content_type=None)
    assert (response.status, problem["type"]) == (status, f"urn:lockstep:problem:{name}")
    assert await house.registry.get(house.account, "tv-9") is None


@pytest.mark.parametrize("body", [b"", b'{"cursor":"nonsense"}', b'{"cursor":""}', b'{"cursor":"ANOTHER"}'])
async def test_an_ack_that_is_refused(house: House, body: bytes) -> None:
    """A cursor that is none, or another account's."""
    another = cursors.encode(cursors.Cursor(cursors.fingerprint("another"), 1, (0,) * 4)).encode()
    headers = {"Authorization": f"Bearer {house.token('tv-1')}"}
    url = f"{house.base}/v1/devices/tv-1/acks"
    async with house.http.post(url, data=body.replace(b"ANOTHER", another), headers=headers) as response:
        assert response.status == 400


def outcomes(house: House) -> list[Outcome]:
    """What the edge has reported of the account, in order."""
    topic = house.settings.topic_prefix + "outcomes"
    servers = house.settings.kafka.servers
    found: list[Outcome] = []
    partition = partition_for(house.account.encode(), house.topology.partitions)
    for record in read_partition(servers, topic, partition, 0):
        batch = decode_outcomes(record.value or b"")
        assert batch.stage == "edge"
        found += [outcome for outcome in batch.outcomes if outcome.account == house.account]
    return found


async def test_what_devices_have_is_reported(house: House) -> None:
    """`pulled` for the cursor of a pull, `acked` for that of a hello and of an ack; nothing is said twice."""
    await house.store(1, 1, 2)
    async with house.client("tv-1") as tv:
        await tv.pull()
        for _ in range(3):
            await tv.pull()
        async with tv.connect() as socket:
            frames = aiter(socket)
            while (await anext(frames))["type"] != "sync_end":
                pass
            await house.store(1, 3)
            assert await house.push(house.note(1, seq_of(2), 3, ("tv-1",))) == [200]
            assert (await anext(frames))["item"]["data"]["n"] == 3
            await socket.ack()
            await socket.ack()
            await until(lambda: house.edge.gateway.sessions.counts.acks == 2, "both acks have come")

    def facts() -> list[tuple[str, int, int, int]]:
        return [(each.kind, each.lane, each.since, each.seq) for each in outcomes(house)]

    await until(lambda: len(facts()) >= 2, "the outcomes are in Kafka")
    assert facts() == [("pulled", 1, -1, seq_of(2)), ("acked", 1, seq_of(2), seq_of(3))]


async def test_codes_of_items_are_reported(houses: Houses) -> None:
    """From a socket and over HTTP; one that is none is refused, and reports nothing."""
    house = await houses.open(health=True)
    await house.register("tv-1")
    await house.store(1, 1, 2)
    async with house.client("tv-1") as tv:
        first, second = (item["id"] for item in (await tv.pull()).items)
        for bad in ({first: "lost"}, {"nonsense": "failed"}, {first.upper(): "failed"}):
            with pytest.raises(Refused, match="400 urn:lockstep:problem:malformed-body"):
                await tv.ack(bad)
        await tv.ack({first: "failed"})
        async with tv.connect() as socket:
            await socket.ack({first: "handled", second: "ignored"})
            await socket.ack({first: "lost"})
            with pytest.raises(Closed, match="4400 malformed-message"):
                _ = [frame async for frame in socket]

    def said() -> list[tuple[str, int, int]]:
        return [(each.detail, each.since, each.seq) for each in outcomes(house) if each.lane == ANY_LANE]

    await until(lambda: len(said()) >= 3, "the outcomes are in Kafka")
    one, two = (seq_of(1) - 1, seq_of(1)), (seq_of(2) - 1, seq_of(2))
    assert said() == [("failed", *one), ("handled", *one), ("ignored", *two)]
    async with house.http.get(f"http://127.0.0.1:{house.edge.health_port}/metrics") as response:
        assert 'lockstep_edge_ack_codes_total{code="failed"} 1.0' in await response.text()
