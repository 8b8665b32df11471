"""The callers' file: what it may hold, how it is written, and that it may change."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edge.auth.callers import BadCallers, Callers, Operator, Producer, digest, fresh_token, put, read

ONE = Producer(name="billing", tokens=(digest("one"),), types=("member.plan.changed", "device.*"))


def touched(path: Path) -> None:
    """Its time is another one."""
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))


def test_without_a_file_there_are_no_callers(tmp_path: Path) -> None:
    """They come and go with it."""
    path = tmp_path / "callers.json"
    callers = Callers(path)
    assert callers.producer("one") is None
    put(path, ONE)
    callers.reload()
    assert callers.producer("one") == ONE
    assert callers.producer("two") is None
    assert callers.operator("one") is None
    path.unlink()
    callers.reload()
    assert callers.producer("one") is None


def test_a_caller_is_written_in_place_of_its_namesake(tmp_path: Path) -> None:
    """Others stay; the file is its owner's alone, and holds no token."""
    path = tmp_path / "keys" / "callers.json"
    put(path, ONE)
    put(path, Operator(name="billing", tokens=(digest("op"),), may=("read", "write")))
    second = Producer(name="billing", tokens=(digest("two"), digest("three")), types=("*",), rate=5, burst=1)
    put(path, second)
    assert read(path).producers == (second,)
    callers = Callers(path)
    assert callers.producer("one") is None
    assert callers.producer("three") == second
    operator = callers.operator("op")
    assert operator is not None
    assert operator.may == ("read", "write")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"three" not in path.read_bytes()


def test_types_are_patterns() -> None:
    """Case counts."""
    allowed = [type_ for type_ in ("member.plan.changed", "device.x", "device", "Device.x") if ONE.may_publish(type_)]
    assert allowed == ["member.plan.changed", "device.x"]


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"\xff", b'{"producer":[]}', b'{"producers":[{"name":"a"}]}',
        b'{"producers":[{"name":"a","tokens":["plain"],"types":["*"]}]}',
        b'{"producers":[{"name":"a","tokens":[],"types":["*"]}]}',
        b'{"operators":[{"name":"a","tokens":["%b"],"may":["all"]}]}' % (b"0" * 64),
        b'{"operators":[{"name":"a","tokens":["%b","%b"]}]}' % (b"0" * 64, b"0" * 64),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_and_named(tmp_path: Path, text: bytes) -> None:
    """While a process runs, the callers stay as they were."""
    path = tmp_path / "callers.json"
    put(path, ONE)
    callers = Callers(path)
    path.write_bytes(text)
    touched(path)
    with pytest.raises(BadCallers, match=r"callers\.json"):
        callers.reload()
    assert callers.producer("one") == ONE
    with pytest.raises(BadCallers, match=r"callers\.json"):
        Callers(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A directory, for instance."""
    with pytest.raises(BadCallers):
        Callers(tmp_path)


def test_a_bad_caller_is_not_written(tmp_path: Path) -> None:
    """The file stays as it was."""
    path = tmp_path / "callers.json"
    put(path, ONE)
    before = path.read_bytes()
    for bad in (
        Producer(name="a/b", tokens=(digest("x"),), types=("*",)),
        Producer(name="other", tokens=(digest("one"),), types=("*",)),
        Producer(name="other", tokens=(digest("x"),), types=("*",), rate=0),
    ):
        with pytest.raises(BadCallers):
            put(path, bad)
    assert path.read_bytes() == before


def test_tokens_are_fresh() -> None:
    """And long."""
    assert len({fresh_token("producer") for _ in range(100)}) == 100
    assert len(fresh_token("producer")) > 50


def test_a_token_that_was_just_made_is_good(tmp_path: Path) -> None:
    """For an unknown one the file is looked at, but not at every call."""
    path = tmp_path / "callers.json"
    now = 0.0
    callers = Callers(path, lambda: now)
    put(path, ONE)
    assert callers.producer("one") is None
    now = 1.0
    assert callers.producer("one") == ONE
    path.write_bytes(b"{")
    now = 3.0
    assert callers.producer("other") is None
    assert callers.producer("one") == ONE
