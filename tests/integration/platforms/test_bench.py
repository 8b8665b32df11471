"""The benchmark of pushes, short: what it sends is taken, whatever it costs here."""

from __future__ import annotations

from msgspec.structs import replace

from bench import push
from streams.settings import Settings


async def test_the_benchmark_of_pushes_finds_every_push(own_redis: Settings) -> None:
    """Ours and those of the clients beside ours."""
    with push.serving() as servers:
        settings = replace(servers.settings(("", 0)), redis=own_redis.redis)
        found = await push.measure(servers, settings, 30, 1)
    assert found["wrong"] == 0
    assert {f"{name}_per_cpu_s" for name in push.PEERS} < found.keys()
    assert {f"ratio_{name}" for name in push.PEERS.values()} < found.keys()
