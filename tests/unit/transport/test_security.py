"""One description of TLS and SASL for both clients."""

from __future__ import annotations

import pytest

from streams.transport.security import SecurityError, credentials


def test_nothing_is_plain_text() -> None:
    """No properties, or the plain protocol by name."""
    assert credentials({}) is None
    assert credentials({"security.protocol": "plaintext"}) is None


def test_tls_checks_the_peer_unless_told_otherwise() -> None:
    """The host name is checked; the property that turns it off for librdkafka turns it off here too."""
    assert credentials({"security.protocol": "ssl"}).context.check_hostname
    relaxed = credentials({"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"})
    assert not relaxed.context.check_hostname


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_sasl_carries_name_and_password(protocol: str) -> None:
    """With TLS or without."""
    found = credentials(
        {
            "security.protocol": protocol,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "router",
            "sasl.password": "secret",
        }
    )
    assert (found.username, found.password) == ("router", "secret")
    assert found.protocol.value == protocol
    assert found.mechanism.value == "SCRAM-SHA-512"


@pytest.mark.parametrize(
    ("security", "message"),
    [
        ({"ssl.cipher.suites": "x"}, "ssl.cipher.suites: not one of"),
        ({"security.protocol": "TLS"}, "security.protocol: TLS is not one of"),
        ({"security.protocol": "SASL_SSL"}, "sasl.mechanism: nothing is not one of"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, "sasl.mechanism: GSSAPI is not one of"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "sasl.username: missing"),
        (
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "x"},
            "sasl.password: missing",
        ),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere"}, "cannot be read"),
        ({"security.protocol": "SSL", "ssl.certificate.location": "/nowhere"}, "cannot be read"),
    ],
)
def test_a_property_that_cannot_be_used_is_named(security: dict[str, str], message: str) -> None:
    """Rather than one client being told something that the other ignores."""
    with pytest.raises(SecurityError, match=message):
        credentials(security)
