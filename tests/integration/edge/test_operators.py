"""The operators' port: devices and when they were seen, tokens revoked, accounts erased with proof."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from deploy.local.ports import free_ports
from edge.auth.callers import Operator, digest, fresh_token, put
from sinks import redis
from sinks.last_seen import LastSeen
from streams.settings import Settings
from tests.integration.edge.conftest import House, Houses, until


def operator(settings: Settings, *may: Any) -> str:
    """The token of a new operator; an edge that starts from now on knows it."""
    token = fresh_token("operator")
    put(Path(settings.ingest.callers), Operator(name=f"o{digest(token)[:8]}", tokens=(digest(token),), may=may))
    return token


class Desk:
    """An operator at an edge."""

    def __init__(self, house: House, token: str) -> None:
        self.house = house
        self.token = token

    async def ask(self, method: str, path: str = "", account: str = "", token: str = "") -> tuple[int, Any]:
        """Status and body."""
        port = self.house.settings.edge.operator_port
        url = f"http://127.0.0.1:{port}/v1/accounts/{quote(account or self.house.account, safe='')}{path}"
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with self.house.http.request(method, url, headers=headers) as response:
            return response.status, await response.json(content_type=None) if response.status != 204 else None


@pytest.fixture
async def desk(houses: Houses, base_settings: Settings) -> Desk:
    """An operator who may do everything, at an edge that looks for revocations all the time."""
    token = operator(base_settings, "read", "write")
    made = await houses.open(operator_port=free_ports(1)[0])
    await made.register("tv-1")
    return Desk(made, token)


async def test_devices_of_an_account_and_when_they_were_seen(desk: Desk) -> None:
    """Over HTTP and on a socket; the platform's token is not told."""
    house = desk.house
    await house.register("phone-1", "phone")
    await house.register("never")
    before = int(time.time())
    async with house.client("phone-1", "phone") as phone:
        await phone.pull()
    async with house.hello("tv-1") as tv:
        await tv.recv()
    status, body = await desk.ask("GET", "/devices")
    assert status == 200
    seen = {device["id"]: device["last_seen"] for device in body["devices"]}
    assert seen["never"] is None
    assert all(before * 1000 <= seen[name] <= time.time() * 1000 for name in ("phone-1", "tv-1"))
    assert all("token" not in device for device in body["devices"])

    async def written() -> bool:
        stored = await LastSeen.open(house.disk, time.time)
        return len(await stored.read(house.account)) == 2

    await until(written, "it is in Cassandra, for all edges")
    assert (await desk.ask("GET", "/devices/never"))[1]["device"]["id"] == "never"
    assert (await desk.ask("DELETE", "/devices/never"))[0] == 204
    assert (await desk.ask("DELETE", "/devices/never"))[0] == 404
    assert (await desk.ask("GET", "/devices/never"))[0] == 404


async def test_who_may_what(desk: Desk, houses: Houses, base_settings: Settings) -> None:
    """A reader changes nothing; no other token opens the port, and the device port knows none of its paths."""
    reader = operator(base_settings, "read")
    house = desk.house

    async def known() -> bool:  # the file is looked at ten times a second at most
        return (await desk.ask("GET", "/devices", token=reader))[0] == 200

    await until(known, "the reader is let in")
    for method, path in (("DELETE", ""), ("POST", "/revocation"), ("DELETE", "/devices/tv-1")):
        status, body = await desk.ask(method, path, token=reader)
        assert (status, body["type"]) == (403, "urn:lockstep:problem:not-allowed")
    for token in (house.token("tv-1"), "x", desk.token + "x"):
        status, body = await desk.ask("GET", "/devices", token=token)
        assert (status, body["type"]) == (401, "urn:lockstep:problem:bad-token")
    headers = {"Authorization": f"Bearer {desk.token}"}
    async with house.http.get(f"{house.base}/v1/accounts/{house.account}/devices", headers=headers) as response:
        assert response.status == 404
    async with house.http.get(f"{house.base}/v1/devices/tv-1", headers=headers) as response:
        assert response.status == 401


async def test_accounts_of_any_name(desk: Desk) -> None:
    """Slashes and percent signs too; what no event can be about is refused."""
    for account in ("a/b", "50%", "ü é", "a?b#c", "a%2Fb"):
        await desk.house.register("odd", account=account)
        status, body = await desk.ask("GET", "/devices", account=account)
        assert (status, [device["id"] for device in body["devices"]]) == (200, ["odd"]), account
    assert (await desk.ask("GET", "/devices", account="a\tb"))[0] == 400


async def test_revoked_tokens_open_nothing(desk: Desk, houses: Houses, base_settings: Settings) -> None:
    """Sockets end here and at other edges; a token that is issued later is good."""
    house = desk.house
    eager = replace(base_settings, tokens=replace(base_settings.tokens, revocations=0.1))
    async with Houses(eager, house.topology) as others:
        other = await others.open()
        other.account = house.account
        await house.register("tv-2")
        tokens = {name: house.token(name) for name in ("tv-1", "tv-2")}
        async with (
            house.hello("tv-1", token=tokens["tv-1"]) as here,
            other.hello("tv-2", token=tokens["tv-2"]) as there,
        ):
            for screen in (here, there):
                await screen.recv()
            status, body = await desk.ask("POST", "/revocation")
            assert (status, body["connections_ended"]) == (200, 1)
            for screen in (here, there):
                code, frames = await screen.closed()
                assert (code, frames[-1]["error"]) == (4401, "bad-token")
        for edge, name in ((house, "tv-1"), (other, "tv-2")):
            headers = {"Authorization": f"Bearer {tokens[name]}"}
            async with edge.http.get(f"{edge.base}/v1/devices/{name}/notifications", headers=headers) as response:
                assert response.status == 401

        async def welcome() -> bool:
            headers = {"Authorization": f"Bearer {house.token('tv-1')}"}
            async with house.http.get(f"{house.base}/v1/devices/tv-1", headers=headers) as response:
                return response.status == 200

        await until(welcome, "a token of a later second is good")
    async with Houses(base_settings, house.topology) as fresh:
        late = await fresh.open()
        headers = {"Authorization": f"Bearer {tokens['tv-2']}"}
        async with late.http.get(f"{late.base}/v1/devices/tv-2", headers=headers) as response:
            assert response.status == 401


async def test_an_erased_account_leaves_nothing(desk: Desk) -> None:
    """The answer says what was there, and that nothing is; so do the stores. A neighbour is as it was."""
    house = desk.house
    neighbour = f"{house.account}-neighbour"
    await house.register("tv-1", account=neighbour)
    await house.store(1, 1, 2)
    await house.store(3, 3)
    async with house.hello("tv-1") as tv:
        await tv.recv()
        await tv.until_synced()
        status, body = await desk.ask("DELETE")
        assert status == 200
        assert (await tv.closed())[0] == 4401
    erased = body["erased"]
    assert (erased["devices"], erased["inbox"], erased["presence"], erased["heads"]) == (1, 3, 1, 1)
    assert set(body["left"].values()) == {0}
    assert body["events_end"] > time.time() + 86_400
    for lane in range(4):
        assert await house.inbox.read(house.account, lane, 0, None, 10) == []
    names = await house.redis.call(redis.command(b"KEYS", b"*{%b}*" % house.account.encode()))
    assert [name for name in names[0] if not name.startswith(b"dg:")] == []
    assert await house.registry.list(house.account) == []
    assert [device.id for device in await house.registry.list(neighbour)] == ["tv-1"]
    assert (await desk.ask("DELETE"))[1]["erased"]["devices"] == 0


async def test_an_edge_that_writes_late_brings_nothing_back(desk: Desk) -> None:
    """What it noted before the account was erased, or before it heard of that."""
    late = await LastSeen.open(desk.house.disk, time.time, 35.0)
    late.note(desk.house.account, "tv-1")
    assert (await desk.ask("DELETE"))[0] == 200
    late.note(desk.house.account, "tv-2")
    await late.flush()
    assert await late.read(desk.house.account) == {}


async def test_an_account_that_is_written_to_is_not_erased(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """409 with what is left."""

    async def nothing(self: object, account: str) -> None:
        """Erase nothing, as if all was written again at once."""

    monkeypatch.setattr("sinks.erasure.Erasure.erase", nothing)
    status, body = await desk.ask("DELETE")
    assert (status, body["type"], body["left"]["devices"]) == (409, "urn:lockstep:problem:not-erased", 1)
