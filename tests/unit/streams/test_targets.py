"""Versions, predicates, and one path for each targeted device."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.sizes import MAX_DEVICE_ID, MAX_DEVICES, MAX_KEPT_TOKEN
from streams.targets import (
    CACHED,
    DEVICE,
    EVERY,
    PRESENCE,
    Paths,
    PlatformPath,
    Predicate,
    SocketPath,
    fit,
    matches,
    narrow,
    parse_version,
    resolve,
)  # fmt: skip

VERSIONS = st.tuples(st.integers(0, 4095), st.integers(0, 1023), st.integers(0, 1023))


@given(VERSIONS, VERSIONS)
def test_versions_sort_as_their_numbers(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    """The number of a version compares as its parts do, and fits the four bytes of the registry."""
    first, second = (parse_version(".".join(map(str, version))) for version in (one, other))
    assert (first < second) == (one < other)
    assert first < 1 << 32


@pytest.mark.parametrize(("short", "whole"), [("2", "2.0.0"), ("2.1", "2.1.0"), ("02.001", "2.1.0"), ("0", "0.0.0")])
def test_missing_parts_are_zero(short: str, whole: str) -> None:
    """Fewer than three numbers mean zeros behind them."""
    assert parse_version(short) == parse_version(whole)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        "1..2",
        "1.2.3.4",
        "a",
        "1.b",
        "-1",
        "+1",
        " 1",
        "1_0",
        "\u0661",
        "4096",
        "0.1024",
        "0.0.1024",
        "9" * 5_000,
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    """Other texts and numbers that are too large raise ValueError."""
    with pytest.raises(ValueError, match=r"version|limit"):
        parse_version(text)


MASKS = st.integers(0, 15)
PREDICATES = st.builds(
    Predicate, MASKS, st.lists(st.sampled_from("abcd"), max_size=2).map(tuple), st.sampled_from(["", *"abcd"]),
    st.integers(0, 3),
)  # fmt: skip
BITS = st.sampled_from([1, 2, 4, 8])


@given(PREDICATES, MASKS, st.integers(0, 3), st.sampled_from("abcd"), BITS, st.integers(0, 4))
def test_narrowing_is_both_conditions(
    wanted: Predicate, types: int, least: int, device: str, bit: int, version: int
) -> None:
    """A device matches the narrowed predicate where it matches the producer's and the use case allows it."""
    allowed = matches(Predicate(types, (), "", least), device, bit, version)
    narrowed = narrow(wanted, types, least)
    matched = narrowed is not None and matches(narrowed, device, bit, version)
    assert matched == (matches(wanted, device, bit, version) and allowed)


def test_nothing_in_common_is_no_target() -> None:
    """Types that the use case does not reach leave no predicate, rather than one without restriction."""
    assert narrow(Predicate(types=0b01), 0b10, 0) is None
    assert narrow(Predicate(types=0b11), 0b10, 5) == Predicate(types=0b10, least=5)
    assert narrow(EVERY, 0, 0) == EVERY


class Fleet(NamedTuple):
    """An account's devices and connections, as they lie in Redis and as they are."""

    registered: dict[str, tuple[int, int, int, bytes]]
    online: dict[str, tuple[int, int, int, int]]

    def devices(self) -> list[bytes]:
        """The registry's copy, with the mark that it was read."""
        fields = [CACHED, b""]
        for device, (bit, version, platform, token) in self.registered.items():
            fields += [device.encode(), DEVICE.pack(bit, version, platform) + token]
        return fields

    def presence(self) -> list[bytes]:
        """The connections."""
        return [part for device, entry in self.online.items() for part in (device.encode(), PRESENCE.pack(*entry))]


FLEETS = st.builds(
    Fleet,
    st.dictionaries(
        st.sampled_from("abcd"),
        st.tuples(BITS, st.integers(0, 4), st.integers(0, 2), st.sampled_from([b"", b"token"])),
    ),
    st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(1, 2), BITS)),
)
GATEWAYS = st.dictionaries(st.integers(1, 3), st.none() | st.integers(1, 2))


@given(PREDICATES, FLEETS, GATEWAYS, st.integers(0, 9))
@example(Predicate(types=1), Fleet({"a": (2, 0, 0, b"")}, {}), {}, 0)
def test_every_targeted_device_has_exactly_one_path(
    predicate: Predicate, fleet: Fleet, gateways: dict[int, int | None], oldest: int
) -> None:
    """Paths agree with `matches`; the others are those online that are not targeted."""
    paths = resolve(predicate, fleet.devices(), fleet.presence(), gateways, oldest)
    matched = [d for d, (bit, version, _, _) in fleet.registered.items() if matches(predicate, d, bit, version)]
    assert sorted(paths.targeted()) == sorted(matched)
    online = {
        device: SocketPath(device, gateway, incarnation, epoch)
        for device, (epoch, gateway, incarnation, _) in fleet.online.items()
        if epoch >= oldest and (gateway not in gateways or gateways[gateway] == incarnation)
    }
    assert sorted(paths.sockets) == sorted(path for device, path in online.items() if device in matched)
    assert sorted(paths.others) == sorted(path for device, path in online.items() if device not in matched)
    away = [device for device in matched if device not in online]
    tokens = {device: fleet.registered[device][3] for device in away}
    assert [p.device for p in paths.platforms] == [device for device in away if tokens[device]]
    assert paths.inbox == [device for device in away if not tokens[device]]


def test_paths_carry_what_reaches_the_device() -> None:
    """A socket names gateway, incarnation and epoch, a provider its number and token."""
    fleet = Fleet(
        {"tv": (1, 0, 0, b""), "phone": (2, 0, 3, b"tok"), "stick": (1, 0, 0, b"")}, {"tv": (7, 2**32 - 1, 65_535, 1)}
    )
    paths = resolve(EVERY, fleet.devices(), fleet.presence(), {}, 7)
    assert paths.sockets == [SocketPath("tv", 2**32 - 1, 65_535, 7)]
    assert paths.platforms == [PlatformPath(3, "phone", b"tok")]
    assert paths.inbox == ["stick"]
    assert paths.others == []


@pytest.mark.parametrize(
    ("gateways", "oldest", "online"),
    [({}, 7, True), ({1: 2}, 7, True), ({1: None}, 7, False), ({1: 3}, 7, False), ({2: None}, 7, True), ({}, 8, False)],
)
def test_a_device_is_online_while_its_gateway_lives(gateways: dict[int, int | None], oldest: int, online: bool) -> None:
    """A lapsed lease, another life of the gateway or too old a registration mean offline; unknown means alive."""
    fleet = Fleet({"tv": (1, 0, 0, b"")}, {"tv": (7, 1, 2, 1)})
    paths = resolve(EVERY, fleet.devices(), fleet.presence(), gateways, oldest)
    assert bool(paths.sockets) is online
    assert bool(paths.inbox) is not online


def test_an_account_without_devices_has_no_paths() -> None:
    """Only the mark of the cache, or nothing at all."""
    assert resolve(EVERY, [CACHED, b""], [], {}, 0).targeted() == ()
    assert resolve(EVERY, [], [], {}, 0).targeted() == ()


def test_a_reply_that_is_no_hash_is_refused() -> None:
    """An odd number of fields and values is a defect that must not pass for fewer devices."""
    with pytest.raises(ValueError, match="shorter"):
        resolve(EVERY, [b"tv"], [], {}, 0)


def _online(prefix: str, count: int) -> list[SocketPath]:
    return [SocketPath(f"{prefix}-{number}", 1, 1, 7) for number in range(count)]


def test_what_an_account_may_have_always_fits() -> None:
    """With the longest ids and tokens that there are, on all paths."""
    ids = [f"{number:0{MAX_DEVICE_ID}}" for number in range(2 * MAX_DEVICES)]
    sockets = [SocketPath(device, 1, 1, 7) for device in ids[:MAX_DEVICES]]
    woken = [PlatformPath(2, device, b"t" * MAX_KEPT_TOKEN) for device in ids[MAX_DEVICES:]]
    assert fit(Paths(sockets, [], woken, [])) == Paths(sockets, [], woken, [])
    assert fit(Paths([], sockets, woken, [])) == Paths([], sockets, woken, [])


@pytest.mark.parametrize(("length", "fitting"), [(200, 1000), (MAX_KEPT_TOKEN, MAX_DEVICES + 2)])
def test_of_more_devices_those_that_fit_are_woken(length: int, fitting: int) -> None:
    """Most tokens are short; those beyond have their inbox, and are named."""
    woken = [PlatformPath(2, f"d-{number}", b"t" * length) for number in range(1000)]
    paths = fit(Paths([], [], woken, ["tv"]))
    left = [path.device for path in woken[fitting:]]
    assert paths == Paths([], [], woken[:fitting], [*left, "tv"], frozenset(left))
    assert sorted(paths.targeted()) == sorted(["tv", *(path.device for path in woken)])


def test_sockets_and_those_that_only_get_the_number_share_the_room() -> None:
    """What is not told of a socket is found by the sweep of its gateway."""
    few, many = _online("a", 10), _online("b", 100_000)
    paths = fit(Paths(few, many, [], []))
    assert paths.sockets == few
    assert paths.others == many[: len(paths.others)]
    assert MAX_DEVICES < len(paths.others) < len(many)
    assert paths.full == frozenset()
    paths = fit(Paths(many, few, [], ["tv"]))
    assert paths.others == []
    assert paths.full == {path.device for path in many[len(paths.sockets) :]}
