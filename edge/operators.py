"""The operators' port: devices of an account are listed, tokens revoked, an account erased."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from edge import problems
from edge.auth.access import bearer
from edge.auth.callers import Operator
from edge.auth.guard import Guard
from edge.auth.revoking import Revoking
from edge.auth.tokens import is_account
from edge.devices import shown
from edge.problems import Problem
from edge.stores import Stores
from sinks.devices import Device
from sinks.erasure import Erasure

_TRIES: Final = 3
_ACCOUNT: Final = "/v1/accounts/{account}"
log = logging.getLogger(__name__)


class Operators:
    """What operators may ask of an account. Each change is logged with the operator's name."""

    def __init__(
        self,
        stores: Stores,
        guard: Guard,
        revoking: Revoking,
        erasure: Erasure,
        kept: int,
        clock: Callable[[], float],
    ) -> None:
        """`kept`: for how long topics keep events, s."""
        self._stores = stores
        self._callers = guard.callers
        self._seen = guard.seen
        self._revocations = guard.revocations
        self._revoking = revoking
        self._erasure = erasure
        self._kept = kept
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """For the application of the operators' port."""
        return [
            web.get(_ACCOUNT + "/devices", self.devices),
            web.get(_ACCOUNT + "/devices/{id}", self.device),
            web.delete(_ACCOUNT + "/devices/{id}", self.forget),
            web.post(_ACCOUNT + "/revocation", self.revoke),
            web.delete(_ACCOUNT, self.erase),
        ]

    async def devices(self, request: web.Request) -> web.Response:
        """All devices of an account, with when each was last seen."""
        account, _ = self._asked(request, "read")
        seen = await self._seen.read(account)
        devices = await self._stores.registry.list(account)
        return _json({"devices": [_described(device, seen) for device in devices]})

    async def device(self, request: web.Request) -> web.Response:
        """One device."""
        account, _ = self._asked(request, "read")
        device = await self._stores.registry.get(account, request.match_info["id"])
        if device is None:
            raise problems.unknown_device(request.match_info["id"])
        return _json({"device": _described(device, await self._seen.read(account))})

    async def forget(self, request: web.Request) -> web.Response:
        """Forget one device; its token stays good, so that it may register again."""
        account, operator = self._asked(request, "write")
        if not await self._stores.registry.delete(account, request.match_info["id"]):
            raise problems.unknown_device(request.match_info["id"])
        log.info("operator %s has forgotten a device of an account", operator.name)
        return web.Response(status=204)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke all tokens of an account that are issued by now, and end what they opened here."""
        account, operator = self._asked(request, "write")
        at = await self._revocations.revoke(account)
        ended = self._revoking.end({account})
        log.info("operator %s has revoked the tokens of an account", operator.name)
        return _json({"revoked_until": at, "connections_ended": ended})

    async def erase(self, request: web.Request) -> web.Response:
        """Revoke, erase, and read again what is left: 200 only where nothing is.

        Events that are still in topics come into the inbox again: erase again when their producers have stopped.
        """
        account, operator = self._asked(request, "write")
        before = left = await self._erasure.holdings(account)
        at = await self._revocations.revoke(account)
        self._revoking.end({account})
        for _ in range(_TRIES):
            self._seen.forget(account)
            await self._erasure.erase(account)
            left = await self._erasure.holdings(account)
            if left.is_empty():
                break
        log.info("operator %s has erased an account; left: %s", operator.name, left)
        proof = {
            "revoked_until": at,
            "erased": before,
            "left": left,
            "events_end": int(self._clock()) + self._kept,
        }
        if not left.is_empty():
            detail = "something writes to the account: stop its producers, then erase again"
            raise Problem(409, "not-erased", "The account is not erased", detail, extra=proof)
        return _json(proof)

    def _asked(self, request: web.Request, right: Literal["read", "write"]) -> tuple[str, Operator]:
        """Raises Problem."""
        operator = self._callers.operator(bearer(request))
        if operator is None:
            raise problems.bad_token("it is no operator's")
        if right not in operator.may:
            raise Problem(403, "not-allowed", "The operator may not do this", f"{operator.name} may {operator.may}")
        account = request.match_info["account"]
        if not is_account(account):
            raise problems.malformed("account", "no event can be about such an account")
        return account, operator


def _described(device: Device, seen: dict[str, int]) -> dict[str, Any]:
    """`last_seen` in ms, to the hour; None where it has not been for 90 days."""
    at = seen.get(device.id)
    return shown(device) | {"last_seen": None if at is None else at * 1000}


def _json(value: dict[str, Any]) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", headers=headers)
