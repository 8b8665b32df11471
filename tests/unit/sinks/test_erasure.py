"""What an erasure covers."""

from __future__ import annotations

from deploy.access import EDGE, redis_keys
from sinks.erasure import _TEXTS, _keys
from tests.unit.fakes import ROOT, shipped_topology

#: Of no account: gateways and their leases.
OTHERS = {"gw:*", "gateways", "gateways:last"}
#: Stays until it expires, without content: it keeps copies from being made anew.
MARK = "dg:*"


def test_every_key_that_names_an_account_is_erased() -> None:
    """Of all that an edge may write, which erases: a new kind of key is to be erased too, or to be told of."""
    erased = {f"{key.decode().partition(':')[0]}:*" for key in _keys("anna")}
    assert set(redis_keys(shipped_topology(), EDGE)) - OTHERS == erased | {MARK}


def test_the_page_for_operators_says_what_is_erased() -> None:
    """Every table and every key, by name."""
    text = (ROOT / "docs" / "operations.md").read_text()
    (told,) = (part for part in text.split("\n\n") if part.startswith("To erase an account"))
    tables = {statement.split()[2] for name, statement in _TEXTS.items() if name.startswith("erase")}
    keys = {key.decode().replace("anna", "account") for key in _keys("anna")}
    assert {name for name in tables | keys if f"`{name}`" not in told} == set()
