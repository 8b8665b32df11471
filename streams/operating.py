"""Settings of what people use to operate lockstep."""

from __future__ import annotations

from typing import Annotated

import msgspec

from streams.providers import Frozen, Positive

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class Console(Frozen, frozen=True):
    """What `lockstep console` serves.

    host: Address on which the console is served; keep it inside.
    port: Its port.
    https: Whether browsers reach it by https, through a proxy: then the cookie is never sent without.
    edge: Address at which browsers reach the edge, such as `https://push.example`; empty: that of the edge's settings.
    targets: Where workers have their metrics, `{"router": "lockstep-router:9090"}`; all addresses of a name are asked.
    index_bytes: Most bytes of the search index, which lies in the data directory; its oldest part goes first.
    play_key: File with the private key that signs tokens of the page's own devices; empty: it has none.
    """

    host: str = "127.0.0.1"
    port: Port = 8088
    https: bool = False
    edge: Annotated[str, msgspec.Meta(pattern=r"^(https?://[^/\s;,'\"]+)?\Z")] = ""
    targets: dict[str, str] = msgspec.field(default_factory=dict)
    index_bytes: Positive = 2 * 1024 * 1024 * 1024
    play_key: str = ""
