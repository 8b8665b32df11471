"""A new login of Kafka reaches its clients once, and only when the file holds one."""

from __future__ import annotations

import json
from pathlib import Path

from streams.settings import Kafka, read_settings
from streams.transport.logins import Logins


def test_a_change_is_told_once(tmp_path: Path) -> None:
    """What cannot be read, or holds no login, changes nothing."""
    file = tmp_path / "security.json"
    file.write_text(json.dumps({"sasl.username": "a", "sasl.password": "1"}))
    config = read_settings({"LOCKSTEP_KAFKA__SECURITY_FILE": str(file)}).kafka
    assert config.security == {"sasl.username": "a", "sasl.password": "1"}
    told: list[tuple[str, str]] = []
    logins = Logins(config, lambda name, password: told.append((name, password)))
    logins.reload()
    for text in ('{"sasl.username": "a", "sasl.password": "2"}', "{", "[]", "{}", '{"sasl.username": "b"}'):
        file.write_text(text)
        logins.reload()
        logins.reload()
    file.unlink()
    logins.reload()
    assert told == [("a", "2")]


def test_without_a_file_nothing_is_told() -> None:
    """As without a login."""
    told: list[tuple[str, str]] = []
    Logins(Kafka(security={"sasl.username": "a", "sasl.password": "1"}), lambda *login: told.append(login)).reload()
    Logins(Kafka(), lambda *login: told.append(login)).reload()
    assert told == []
