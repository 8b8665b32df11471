"""Every token at every device of every account: a token opens its own device of its own account, and nothing else."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, NamedTuple

from edge import cursor as cursors
from edge.cursor import Cursor
from streams.targets import Predicate
from tests.integration.edge.conftest import LATER, House, seq_of

DEVICES = ("tv", "phone")


class Who(NamedTuple):
    """A device of an account."""

    account: str
    device: str


async def request(house: House, method: str, path: str, token: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Status and body."""
    headers = {"Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    async with house.http.request(method, f"{house.base}/v1/devices/{path}", headers=headers, data=data) as response:
        text = await response.read()
        return response.status, json.loads(text) if text else {}


async def people(house: House) -> list[Who]:
    """Two accounts whose devices have the same ids, each with a notification of its own for each device."""
    found = []
    for account in (house.account, f"{house.account}-b"):
        house.account = account
        for number, device in enumerate(DEVICES, 1):
            await house.register(device, device)
            await house.store(1, number, target=Predicate(ids=(device,)), expires=LATER)
            found.append(Who(account, device))
    return found


async def test_every_token_at_every_path_of_every_device(house: House) -> None:
    """403 and nothing told for another device; the same id in another account is the token's own device there."""
    everybody = await people(house)
    for who, device in product(everybody, (*DEVICES, "stranger")):
        token = house.token(who.device, who.device, account=who.account)
        own = device == who.device
        cursor = cursors.encode(Cursor(cursors.fingerprint(who.account), 4_000_000_000, (0, seq_of(1), 0, 0)))
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/notifications", None),
            ("GET", "/notifications?wait=1", None),
            ("POST", "/acks", {"cursor": cursor}),
            ("PUT", "", {"type": who.device, "app_version": "1.0"}),
        ):
            status, answer = await request(house, method, device + path, token, body)
            if own:
                assert status in (200, 204), (who, device, path, answer)
                continue
            assert (status, answer["type"]) == (403, "urn:lockstep:problem:wrong-device")
            assert set(answer) == {"type", "title", "status", "detail"}


async def test_every_token_reads_what_is_its_own(house: House) -> None:
    """By pull and on a socket: the one notification of its device in its account."""
    for who in await people(house):
        token = house.token(who.device, who.device, account=who.account)
        expected = DEVICES.index(who.device) + 1
        _, page = await request(house, "GET", f"{who.device}/notifications", token)
        assert [item["data"]["n"] for item in page["items"]] == [expected]
        assert cursors.decode(page["next_cursor"], 4).fingerprint == cursors.fingerprint(who.account)
        async with house.hello(who.device, token=token) as socket:
            await socket.recv()
            items, _ = await socket.until_synced()
        assert [item["data"]["n"] for item in items] == [expected]


async def test_every_cursor_at_every_account(house: House) -> None:
    """Of another account it acks nothing, and is a fresh start to a pull: what it says of positions does not count."""
    everybody = await people(house)
    for who, other in product(everybody, everybody):
        token = house.token(who.device, who.device, account=who.account)
        far = cursors.encode(Cursor(cursors.fingerprint(other.account), 4_000_000_000, (seq_of(99),) * 4))
        status, _ = await request(house, "POST", f"{who.device}/acks", token, {"cursor": far})
        assert status == (204 if who.account == other.account else 400)
        _, page = await request(house, "GET", f"{who.device}/notifications?cursor={far}", token)
        assert len(page["items"]) == (0 if who.account == other.account else 1)


async def test_every_token_unregisters_its_own(house: House) -> None:
    """The others stay registered, those with the same id too."""
    everybody = await people(house)
    for who, device in product(everybody, DEVICES):
        if device != who.device:
            token = house.token(who.device, who.device, account=who.account)
            assert (await request(house, "DELETE", device, token))[0] == 403
    left = set(everybody)
    for who in everybody:
        token = house.token(who.device, who.device, account=who.account)
        assert (await request(house, "DELETE", who.device, token))[0] == 204
        left.remove(who)
        for account in {each.account for each in everybody}:
            registered = {Who(account, each.id) for each in await house.registry.list(account)}
            registered.discard(Who(account, "tv-1"))  # that of the fixture
            assert registered == {each for each in left if each.account == account}
