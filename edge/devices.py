"""PUT, GET and DELETE /v1/devices/{id}: a device makes itself known."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web

from edge import cursor as cursors
from edge import problems
from edge.auth.access import Access
from edge.auth.identity import Identity
from edge.bodies import read_small
from edge.cursor import Cursor
from edge.problems import Problem
from edge.stores import Stores, read_heads
from sinks import keys
from sinks.devices import Device
from sinks.keys import BadToken
from sinks.seal import Seal
from streams.sizes import MAX_TOKEN
from streams.targets import parse_version
from streams.topology import Topology

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DeviceBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a device says of itself."""

    type: Word
    app_version: Word
    platform: Word = "socket"
    token: Annotated[str, msgspec.Meta(max_length=MAX_TOKEN)] = ""
    keys: Annotated[dict[Word, Annotated[str, msgspec.Meta(max_length=512)]], msgspec.Meta(max_length=4)] = {}
    capabilities: Annotated[tuple[Word, ...], msgspec.Meta(max_length=32)] = ()


_body = msgspec.json.Decoder(DeviceBody).decode


class Devices:
    """The registration endpoint."""

    def __init__(
        self, topology: Topology, stores: Stores, access: Access, seal: Seal, clock: Callable[[], float] = time.time
    ) -> None:
        self._topology = topology
        self._stores = stores
        self._access = access
        self._seal = seal
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """For the application of the edge."""
        path = "/v1/devices/{id}"
        return [web.put(path, self.put), web.get(path, self.get), web.delete(path, self.delete)]

    async def put(self, request: web.Request) -> web.Response:
        """Register, or say what has changed. The cursor is for a device that has none: everything up to now is over."""
        identity = self._access.device(request)
        try:
            body = _body(await read_small(request))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise problems.malformed("body", str(error)) from error
        self._check(body, identity)
        known = await self._stores.registry.get(identity.account, identity.device)
        # of several that come at once a few too many may pass: `store` leaves out what a push has no room for
        if known is None and await self._stores.registry.is_full(identity.account):
            raise problems.too_many_devices()
        # before the device is known: what is sent from then on is above this cursor
        heads = await read_heads(self._stores.heads, identity.account, len(self._topology.lane_names()))
        now = self._clock()
        device = Device(
            identity.device,
            body.type,
            body.app_version,
            body.platform,
            self._seal.seal(identity.account, identity.device, _packed(body)),
            body.capabilities,
            known.registered if known is not None else int(now * 1000),
        )
        await self._stores.registry.put(identity.account, device)
        positions = tuple(max(head, 0) for head in heads)
        cursor = cursors.encode(Cursor(cursors.fingerprint(identity.account), int(now), positions))
        return _json({"device": shown(device), "cursor": cursor}, 201 if known is None else 200)

    async def get(self, request: web.Request) -> web.Response:
        """The device as it is registered."""
        identity = self._access.device(request)
        device = await self._stores.registry.get(identity.account, identity.device)
        if device is None:
            raise problems.unknown_device(identity.device)
        return _json({"device": shown(device)})

    async def delete(self, request: web.Request) -> web.Response:
        """Forget the device; it is not a target from now on."""
        identity = self._access.device(request)
        if not await self._stores.registry.delete(identity.account, identity.device):
            raise problems.unknown_device(identity.device)
        return web.Response(status=204)

    def _check(self, body: DeviceBody, identity: Identity) -> None:
        """Raise Problem unless the topology knows the words, and the token agrees."""
        if body.type not in self._topology.device_types:
            raise Problem(400, "unknown-device-type", "No such device type", f"declared: {self._topology.device_types}")
        if body.type != identity.type:
            detail = f"the token is for {identity.type!r}, the body says {body.type!r}"
            raise Problem(403, "wrong-device-type", "The token speaks for another device type", detail)
        if body.platform not in self._topology.platforms:
            raise Problem(400, "unknown-platform", "No such platform", f"declared: {tuple(self._topology.platforms)}")
        try:
            parse_version(body.app_version)
        except ValueError as error:
            raise problems.malformed("app-version", str(error)) from error


def _packed(body: DeviceBody) -> str:
    """The token and the keys as the registry keeps them. Raises Problem."""
    try:
        return keys.pack(body.platform, body.token, body.keys)
    except BadToken as error:
        raise problems.malformed("token", str(error)) from error


def shown(device: Device) -> dict[str, Any]:
    """What is told of a device: all but the platform's token, which is a secret."""
    return {
        "id": device.id,
        "type": device.type,
        "app_version": device.app_version,
        "platform": device.platform,
        "capabilities": device.capabilities,
        "registered": device.registered,
    }


def _json(value: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
