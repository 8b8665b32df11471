"""What an erasure covers."""

from __future__ import annotations

from deploy.access import EDGE, redis_keys
from sinks.erasure import _keys
from tests.unit.fakes import shipped_topology

#: Of no account: gateways and their leases.
OTHERS = {"gw:*", "gateways", "gateways:last"}
#: Stays until it expires, without content: it keeps copies from being made anew.
MARK = "dg:*"


def test_every_key_that_names_an_account_is_erased() -> None:
    """Of all that an edge may write, which erases: a new kind of key is to be erased too, or to be told of."""
    erased = {f"{key.decode().partition(':')[0]}:*" for key in _keys("anna")}
    assert set(redis_keys(shipped_topology(), EDGE)) - OTHERS == erased | {MARK}
