"""One description of TLS and SASL, librdkafka's, for both Kafka clients."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

import faust

#: librdkafka properties by name: `security.protocol`, `ssl.ca.location`, `sasl.username` and so on.
KafkaSecurity = Mapping[str, str]

_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_KNOWN: Final = frozenset(
    {
        "security.protocol",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
    }
)


class SecurityError(Exception):
    """The security properties cannot be used; the message names the property."""


def credentials(security: KafkaSecurity) -> Any:
    """Faust's credentials, None for plain text. Raises SecurityError for what one of the two clients cannot do."""
    unknown = sorted(set(security) - _KNOWN)
    if unknown:
        raise SecurityError(f"{unknown[0]}: not one of {', '.join(sorted(_KNOWN))}")
    protocol = security.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in _PROTOCOLS:
        raise SecurityError(f"security.protocol: {protocol} is not one of {', '.join(_PROTOCOLS)}")
    context = _ssl_context(security) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return _sasl(security, context)
    return None if context is None else faust.SSLCredentials(context)


def log_in(client: Any, username: str, password: str) -> None:
    """Have an aiokafka client use these for connections made from now on (aiokafka 0.14.0, client.py:429)."""
    client._sasl_plain_username, client._sasl_plain_password = username, password


def _sasl(security: KafkaSecurity, context: ssl.SSLContext | None) -> Any:
    mechanism = security.get("sasl.mechanism", security.get("sasl.mechanisms", "")).upper()
    if mechanism not in _MECHANISMS:
        raise SecurityError(f"sasl.mechanism: {mechanism or 'nothing'} is not one of {', '.join(_MECHANISMS)}")
    for name in ("sasl.username", "sasl.password"):
        if not security.get(name):
            raise SecurityError(f"{name}: missing")
    return faust.SASLCredentials(
        username=security["sasl.username"],
        password=security["sasl.password"],
        ssl_context=context,
        mechanism=mechanism,
    )


def _ssl_context(security: KafkaSecurity) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
        certificate = security.get("ssl.certificate.location")
        if certificate:
            context.load_cert_chain(certificate, security.get("ssl.key.location"), security.get("ssl.key.password", ""))
    except OSError as error:  # ssl.SSLError too
        raise SecurityError(f"ssl: certificate, key or authority cannot be read: {error}") from error
    if security.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    return context
