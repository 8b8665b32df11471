"""Who a good token speaks for."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """A device of an account, of a declared type. `expires` and `issued`: s since 1970; 0 where it is not said."""

    device: str
    account: str
    type: str
    expires: float
    issued: float = 0.0
