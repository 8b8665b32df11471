"""Sealed tokens: opened by their key for their device, and by nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.seal import SETTING, BadTokenKeys, Seal, Sealed, fresh_key

OLD, NEW, OTHER = (json.loads(fresh_key(name)) for name in ("old", "new", "new"))
TOKEN = "0123456789abcdef"


def keys(*found: object) -> str:
    """A JWK Set."""
    return json.dumps({"keys": found})


@given(st.text(min_size=1, max_size=300).filter(lambda text: text.isprintable()), st.text("ab\u00e9", max_size=3))
def test_what_was_sealed_is_opened(token: str, account: str) -> None:
    """It cannot be read meanwhile, and no two are alike."""
    seal = Seal(keys(NEW))
    kept = seal.seal(account, "tv", token)
    assert kept.startswith("sealed.new.")
    assert kept.isascii()
    assert kept.isprintable()
    assert kept != seal.seal(account, "tv", token)
    assert seal.open(account, "tv", kept.encode()) == token.encode()


def test_each_key_of_the_set_opens_and_the_first_seals() -> None:
    """So a key is rotated without a gap."""
    before = Seal(keys(OLD)).seal("anna", "tv", TOKEN)
    seal = Seal(keys(NEW, OLD))
    assert seal.open("anna", "tv", before.encode()) == TOKEN.encode()
    assert not seal.is_current(before)
    after = seal.seal("anna", "tv", TOKEN)
    assert seal.is_current(after)
    assert Seal(keys(NEW)).open("anna", "tv", after.encode()) == TOKEN.encode()


def test_what_is_kept_in_clear_stays_readable() -> None:
    """With keys and without; bytes that are no text too, for the registry may hold anything."""
    for seal in (Seal(""), Seal(keys(NEW))):
        for kept in (TOKEN.encode(), b'{"url":"https://a.org","keys":{}}', b"", b"\xff nonsense"):
            assert seal.open("anna", "tv", kept) == kept
    assert not Seal(keys(NEW)).is_current(TOKEN)


def test_without_keys_nothing_is_sealed() -> None:
    """And with keys no empty token is."""
    assert Seal("").seal("anna", "tv", TOKEN) == TOKEN
    assert Seal("").is_current(TOKEN)
    assert Seal(keys(NEW)).seal("anna", "tv", "") == ""
    assert Seal(keys(NEW)).is_current("")


@pytest.mark.parametrize(
    ("text", "account", "device", "why"),
    [
        ("", "anna", "tv", "the key 'new' that sealed the token is not in " + SETTING),
        (keys(OLD), "anna", "tv", "the key 'new' that sealed the token is not in " + SETTING),
        (keys(OTHER), "anna", "tv", f"the key 'new' of {SETTING} is not the one that sealed the token"),
        (keys(NEW), "bob", "tv", "is not the one that sealed the token"),
        (keys(NEW), "anna", "phone", "is not the one that sealed the token"),
    ],
    ids=["no key", "another key", "another key of this id", "another account", "another device"],
)
def test_what_cannot_be_opened_says_which_key_would(text: str, account: str, device: str, why: str) -> None:
    """It is never taken for a token."""
    kept = Seal(keys(NEW)).seal("anna", "tv", TOKEN)
    with pytest.raises(Sealed, match=why):
        Seal(text).open(account, device, kept.encode())


@given(st.binary(max_size=80))
def test_rubbish_behind_the_prefix_is_refused(rubbish: bytes) -> None:
    """Whatever it is, it is not opened."""
    for kept in (b"sealed." + rubbish, b"sealed.new." + rubbish):
        with pytest.raises(Sealed):
            Seal(keys(NEW)).open("anna", "tv", kept)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "not a JWK Set"),
        ("[]", "not a JWK Set"),
        ('{"keys":[]}', "not a JWK Set"),
        (keys({"kty": "oct", "kid": "a.b", "k": NEW["k"]}), "not a JWK Set"),
        (keys({"kty": "oct", "kid": "a"}), "not a JWK Set"),
        (keys({"kty": "OKP", "kid": "a", "k": NEW["k"]}), "the key 'a' has not `kty` oct and 32 bytes"),
        (keys({"kty": "oct", "kid": "a", "k": NEW["k"][:-2]}), "the key 'a' has not `kty` oct and 32 bytes"),
        (keys({"kty": "oct", "kid": "a", "k": "!" * 43}), "the key 'a' has not `kty` oct and 32 bytes"),
        (keys(NEW, OTHER), "two keys have the id 'new'"),
    ],
    ids=[  # keys differ from process to process
        "nonsense", "no set", "no key", "id with a dot", "no bytes", "another type", "too short", "not base64url",
        "one id twice",
    ],
)  # fmt: skip
def test_keys_that_cannot_be_used(text: str, why: str) -> None:
    """One line that names the setting, and no key."""
    with pytest.raises(BadTokenKeys, match=why) as caught:
        Seal(text)
    assert str(caught.value).startswith(SETTING)
    assert NEW["k"] not in str(caught.value)


def test_an_id_that_is_none() -> None:
    """It stands in the text between dots."""
    with pytest.raises(BadTokenKeys, match="is no id of a key"):
        fresh_key("a.b")
