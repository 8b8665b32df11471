"""Logins that change while a process runs, and what is wrong with certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.logins import LoginError, current
from streams.settings import Cassandra, Redis, read_settings
from tests.certificate import write_certificate


def test_a_password_is_that_of_its_file_now(tmp_path: Path) -> None:
    """Read at the start, so that a file that is missing stops the process, and again whenever it is asked for."""
    file = tmp_path / "password"
    file.write_text("first\n")
    redis = read_settings({"LOCKSTEP_REDIS__PASSWORD_FILE": str(file)}).redis
    assert (redis.password, redis.password_file, redis.current_password()) == ("first", str(file), "first")
    file.write_text("second\n")
    assert redis.current_password() == "second"
    for broken in (file.unlink, lambda: file.write_bytes(b"\xff")):
        broken()
        assert redis.current_password() == "first"
    assert Redis(password="x").current_password() == "x"
    assert current("y", "") == "y"


def test_without_tls_there_is_no_context() -> None:
    """Certificates that are named all the same are not looked at."""
    assert Redis(ca="/nowhere").context() is None


def test_a_server_proves_who_it_is_unless_told_otherwise(tmp_path: Path) -> None:
    """By an authority always, by its host name unless `check_host` is off; a client may have a certificate too."""
    certificate, key = map(str, write_certificate(tmp_path))
    context = Redis(tls=True, ca=certificate, certificate=certificate, key=key).context()
    assert context is not None
    assert context.check_hostname
    relaxed = Cassandra(tls=True, check_host=False).context()
    assert relaxed is not None
    assert (relaxed.check_hostname, relaxed.verify_mode.name) == (False, "CERT_REQUIRED")


@pytest.mark.parametrize("name", ["ca", "certificate"])
def test_a_certificate_that_cannot_be_used_is_named(name: str, tmp_path: Path) -> None:
    """Missing, or something else."""
    (tmp_path / "text").write_text("hello")
    for path in (str(tmp_path / "text"), "/nowhere"):
        config = read_settings(
            {"LOCKSTEP_CASSANDRA__TLS": "true", f"LOCKSTEP_CASSANDRA__{name.upper()}": path}
        ).cassandra
        with pytest.raises(LoginError, match="LOCKSTEP_CASSANDRA__CA, __CERTIFICATE or __KEY"):
            config.context()
