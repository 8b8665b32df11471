"""Who a good token speaks for."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """A device of an account, of a declared type. `expires`: s since 1970."""

    device: str
    account: str
    type: str
    expires: float
