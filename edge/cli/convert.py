"""Values of options into numbers, with an error that names the value."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import click

from streams.topology import milliseconds

_LONGEST_S: Final = 36_500 * 86_400.0


def seconds(text: str) -> float:
    """`90s`, `15m`, `1d` in seconds. Raises BadParameter."""
    if not re.fullmatch(r"[0-9]{1,9}(ms|s|m|h|d)", text):
        raise click.BadParameter(f"{text!r} is not a number and ms, s, m, h or d")
    found = milliseconds(text) / 1000
    if found > _LONGEST_S:
        raise click.BadParameter(f"{text!r} is more than a hundred years")
    return found


def when(text: str) -> int:
    """A moment, or a time ago such as `15m`, in ms since 1970. Raises BadParameter."""
    if re.fullmatch(r"[0-9]+(ms|s|m|h|d)", text):
        return int((datetime.now(UTC).timestamp() - seconds(text)) * 1000)
    return moment(text)


def moment(text: str) -> int:
    """RFC 3339, or a time of today in UTC such as `14:05`, in ms since 1970. Raises BadParameter."""
    try:
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
            text = f"{datetime.now(UTC).date().isoformat()}T{text}Z"
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time such as 2026-11-25T14:05:00Z or 14:05") from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
