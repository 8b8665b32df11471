"""The provider token of APNs: one for all workers, through Redis. Apple takes a new one every 20 to 60 minutes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey

from sinks.redis import Redis, RedisUnavailable, command, script, usable

#: Ages of a token, s: a new one is signed at this; without Redis it is used up to that; none is replaced before it.
RENEW_S: Final = 45 * 60
LATEST_S: Final = 55 * 60
YOUNG_S: Final = 20 * 60
log = logging.getLogger(__name__)

_DROP: Final = script(b"""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class ProviderToken:
    """The token of one key of a team."""

    def __init__(
        self, redis: Redis, key: ECKey, key_id: str, team: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.signed = 0
        self._redis = redis
        self._key = key
        self._key_id = key_id
        self._team = team
        self._clock = clock
        # with the key itself: what another key signed under this id would be refused, and stand for an hour
        self._name = f"apns:{{{team}:{key_id}}}:{key.thumbprint()}".encode()
        self._token = ""
        self._issued = 0.0

    async def get(self) -> str:
        """The token that all workers use now."""
        if self._clock() - self._issued >= RENEW_S:
            try:
                await self._share()
            except RedisUnavailable as error:
                self._alone(error)
        return self._token

    async def refused(self, token: str) -> None:
        """Apple calls it expired: sign another one, unless it is so young that the clock must be wrong."""
        if token != self._token or self._clock() - self._issued < YOUNG_S:
            return
        self._issued = 0.0
        try:
            await self._redis.run(_DROP.call((self._name,), self._packed(token)))
        except RedisUnavailable as error:
            log.warning("the token that Apple refuses stays in Redis: %s", error)

    async def _share(self) -> None:
        """Take the token that stands in Redis, or put one there; of several that try, one does."""
        (found,) = await self._redis.call(command(b"GET", self._name))
        if not usable(found):
            made = self._packed(self._sign())
            life = b"%d" % (RENEW_S * 1000)
            replies = await self._redis.call(
                command(b"SET", self._name, made, b"NX", b"PX", life), command(b"GET", self._name)
            )
            found = usable(replies[1]) or made
        issued, _, token = found.decode().partition(" ")
        self._issued, self._token = float(issued), token

    def _alone(self, error: RedisUnavailable) -> None:
        if self._clock() - self._issued >= LATEST_S:
            log.warning("a token of this worker's own: %s", error)
            token = self._sign()
            self._issued, self._token = self._clock(), token

    def _packed(self, token: str) -> bytes:
        claims = jwt.decode(token, self._key, algorithms=["ES256"]).claims
        return f"{claims['iat']} {token}".encode()

    def _sign(self) -> str:
        self.signed += 1
        claims: dict[str, Any] = {"iss": self._team, "iat": int(self._clock())}
        return jwt.encode({"alg": "ES256", "kid": self._key_id}, claims, self._key, algorithms=["ES256"])
