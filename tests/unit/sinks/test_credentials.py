"""Keys that no worker can sign with: each is refused when it starts, in a message that names its setting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sinks.oauth import BadAccount, read_account
from sinks.vapid import BadKey, read_key

LOCKED = BestAvailableEncryption(b"word")


def _pem(key: Any, encryption: KeySerializationEncryption) -> str:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return made.decode()


def _public(key: Any) -> str:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made.decode()


@pytest.mark.parametrize(
    "text",
    [
        _pem(ec.generate_private_key(ec.SECP256R1()), LOCKED),
        _pem(ec.generate_private_key(ec.BrainpoolP256R1()), NoEncryption()),
        _public(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["with a password", "on another curve", "public"],
)
def test_a_signing_key_is_private_and_on_p256(text: str) -> None:
    """Whatever the library says of it."""
    with pytest.raises(BadKey, match="LOCKSTEP_APNS__KEY is no private key on P-256"):
        read_key(text, "LOCKSTEP_APNS__KEY")


@pytest.mark.parametrize("name", ["with a password", "public", "of another kind"])
def test_the_key_of_an_account_is_a_private_one_of_rsa(name: str) -> None:
    """While the worker runs, too: what is no BadAccount would end it."""
    key = rsa.generate_private_key(65537, 2048)
    texts = {
        "with a password": _pem(key, LOCKED),
        "public": _public(key),
        "of another kind": _pem(ec.generate_private_key(ec.SECP256R1()), NoEncryption()),
    }
    account = {"project_id": "p", "client_email": "a@p.example", "private_key": texts[name], "token_uri": "https://t"}
    with pytest.raises(BadAccount, match="LOCKSTEP_FCM__ACCOUNT is no key of a service account"):
        read_account(json.dumps(account))
