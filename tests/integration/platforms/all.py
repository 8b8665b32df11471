"""All platforms with a provider of the tests, for whoever runs a whole lockstep."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from streams.settings import PREFIX, Settings
from tests.integration.platforms.apnses import Apnses
from tests.integration.platforms.cases import Case
from tests.integration.platforms.fcms import Fcms
from tests.integration.platforms.webhooks import Webhooks
from tests.integration.platforms.webpushes import Webpushes

CASES: Mapping[str, Callable[[], Case]] = {"apns": Apnses, "fcm": Fcms, "webpush": Webpushes, "webhook": Webhooks}


def variables(settings: Settings) -> dict[str, str]:
    """The environment that tells a worker of the providers."""
    usual, found = Settings(), {}
    for group in (*CASES, "egress"):
        own = getattr(settings, group)
        for name in own.__struct_fields__:
            value = getattr(own, name)
            if value != getattr(getattr(usual, group), name):
                text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
                found[f"{PREFIX}{group}__{name}".upper()] = text
    return found
