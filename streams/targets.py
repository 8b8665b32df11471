"""Which devices of an account must know, and over which path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from streams.sizes import MAX_DEVICES, ROOM, target

#: Value of a field of `d:{account}`: type bit, app version, platform number; then the platform's token, if any.
DEVICE: Final = Struct(">HIH")
#: Value of a field of `p:{account}`: epoch (ms), gateway, incarnation, type bit.
PRESENCE: Final = Struct(">QIHH")
#: Field of `d:{account}` that says "the registry was read": an account without devices is cached too.
CACHED: Final = b""
#: Presence older than this is ignored: every socket reconnects, and so registers again, within 30 min.
PRESENCE_LIFE_MS: Final = 35 * 60_000
_VERSION_BITS: Final = (12, 10, 10)


class Predicate(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """Which devices of an account are meant. Empty parts do not restrict.

    `types` is a mask of device type bits, `ids` device ids, `origin` the device that caused the event (it knows
    already), `least` the lowest app version that understands the notification.
    """

    types: int = 0
    ids: tuple[str, ...] = ()
    origin: str = ""
    least: int = 0


EVERY: Final = Predicate()


class SocketPath(NamedTuple):
    """A device that is online: the gateway that holds its socket, in which of its lives."""

    device: str
    gateway: int
    incarnation: int
    epoch: int


class PlatformPath(NamedTuple):
    """A device that a provider can wake."""

    platform: int
    device: str
    token: bytes


class Paths(NamedTuple):
    """One path for each targeted device, and the online devices that are not targeted.

    `full`: those of `inbox` that have another path, for which a push had no room.
    """

    sockets: list[SocketPath]
    others: list[SocketPath]
    platforms: list[PlatformPath]
    inbox: list[str]
    full: frozenset[str] = frozenset()

    def targeted(self) -> tuple[str, ...]:
        """Ids of all targeted devices."""
        return (*[s.device for s in self.sockets], *[p.device for p in self.platforms], *self.inbox)


def parse_version(text: str) -> int:
    """An app version such as `2.14.3` as a number that sorts like it. Raises ValueError.

    >>> parse_version("2.14.3") > parse_version("2.9")
    True
    """
    parts = text.split(".")
    if not 1 <= len(parts) <= 3 or not all(p.isascii() and p.isdigit() for p in parts):
        raise ValueError(f"not a version of at most three numbers: {text!r}")
    number = 0
    for part, bits in zip((*parts, "0", "0"), _VERSION_BITS, strict=False):
        if int(part) >> bits:
            raise ValueError(f"number too large in version {text!r}")
        number = number << bits | int(part)
    return number


def narrow(wanted: Predicate, types: int, least: int) -> Predicate | None:
    """The producer's selection within what the use case allows; None where nothing can match."""
    mask = wanted.types & types if wanted.types and types else wanted.types or types
    if wanted.types and types and not mask:
        return None
    return Predicate(mask, wanted.ids, wanted.origin, max(wanted.least, least))


def matches(predicate: Predicate, device: str, type_bit: int, version: int) -> bool:
    """Whether a device is meant."""
    return (
        (not predicate.types or bool(predicate.types & type_bit))
        and version >= predicate.least
        and device != predicate.origin
        and (not predicate.ids or device in predicate.ids)
    )


def resolve(
    predicate: Predicate,
    devices: Sequence[bytes],
    presence: Sequence[bytes],
    gateways: Mapping[int, int | None],
    oldest: int,
) -> Paths:
    """The path of each targeted device of one account.

    `devices`, `presence`: flat replies of HGETALL. `gateways`: incarnation of each gateway, None where its lease
    lapsed; a gateway not in it counts as alive. `oldest`: presence with a smaller epoch (ms) is ignored.
    """
    online = _online(presence, gateways, oldest)
    sockets: list[SocketPath] = []
    platforms: list[PlatformPath] = []
    inbox: list[str] = []
    for field, value in _pairs(devices):
        if field == CACHED:
            continue
        type_bit, version, platform = DEVICE.unpack_from(value)
        device = field.decode()
        if not matches(predicate, device, type_bit, version):
            continue
        path = online.pop(device, None)
        if path is not None:
            sockets.append(path)
        elif len(value) > DEVICE.size:
            platforms.append(PlatformPath(platform, device, value[DEVICE.size :]))
        else:
            inbox.append(device)
    return Paths(sockets, list(online.values()), platforms, inbox)


def fit(paths: Paths) -> Paths:
    """The paths of as many devices as a push takes, whatever an account has; a socket that it leaves out is synced."""
    if len(paths.sockets) + len(paths.others) <= MAX_DEVICES and len(paths.platforms) <= MAX_DEVICES:
        return paths
    online = _fitting(target(path.device) for path in (*paths.sockets, *paths.others))
    woken = _fitting(target(path.device, path.token) for path in paths.platforms)
    left = [*(path.device for path in paths.sockets[online:]), *(path.device for path in paths.platforms[woken:])]
    others = paths.others[: max(0, online - len(paths.sockets))]
    return Paths(paths.sockets[:online], others, paths.platforms[:woken], [*left, *paths.inbox], frozenset(left))


def _fitting(sizes: Iterable[int]) -> int:
    """How many of the first have room together."""
    return sum(total <= ROOM for total in accumulate(sizes))


def _online(presence: Sequence[bytes], gateways: Mapping[int, int | None], oldest: int) -> dict[str, SocketPath]:
    online: dict[str, SocketPath] = {}
    for field, value in _pairs(presence):
        epoch, gateway, incarnation, _ = PRESENCE.unpack(value)
        if epoch >= oldest and gateways.get(gateway, incarnation) == incarnation:
            device = field.decode()
            online[device] = SocketPath(device, gateway, incarnation, epoch)
    return online


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    step = iter(flat)
    return zip(step, step, strict=True)
