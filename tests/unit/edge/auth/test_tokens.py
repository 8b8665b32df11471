"""Tokens: what is taken, what is refused, and the key files."""

from __future__ import annotations

import base64
import os
import stat
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet, OctKey, OKPKey

from edge.auth.identity import Identity
from edge.auth.tokens import PRIVATE, PUBLIC, BadKeys, BadToken, Verifier, generate_keys, issue
from streams.settings import Tokens

NOW = int(time.time())


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a key pair."""
    directory = tmp_path_factory.mktemp("keys")
    generate_keys(directory)
    return directory


@pytest.fixture(scope="module")
def settings(keys: Path) -> Tokens:
    """Settings that name it."""
    return Tokens(keys=str(keys / PUBLIC))


def private(keys: Path) -> OKPKey:
    """The signing key."""
    return OKPKey.import_key(msgspec.json.decode((keys / PRIVATE).read_bytes()))


def signed(keys: Path, *, alg: str = "Ed25519", key: Any = None, **changes: Any) -> str:
    """A token that is good but for what is changed; None leaves a claim out."""
    claims = {"iss": "lockstep", "aud": "lockstep-devices", "sub": "tv", "account": "alice", "type": "tv"}
    claims |= {"exp": NOW + 600} | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg}, kept, key or private(keys), algorithms=[alg])


def test_an_issued_token_is_taken(keys: Path, settings: Tokens) -> None:
    """The second time from the cache, until it has expired."""
    token = issue(keys / PRIVATE, settings, "tv-1", "alice", "tv", 600, NOW)
    verifier = Verifier(settings)
    for _ in range(2):
        identity = verifier.verify(token, NOW)
        assert identity[:3] == ("tv-1", "alice", "tv")
    assert verifier.verify(token, identity.expires + settings.leeway - 1)
    with pytest.raises(BadToken, match="expired"):
        verifier.verify(token, identity.expires + settings.leeway)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": []}, {"exp": NOW - 600},
        {"exp": None}, {"exp": "soon"}, {"sub": None}, {"sub": ""}, {"sub": "a/b"}, {"sub": "a,b"}, {"sub": 7},
        {"sub": "x" * 129}, {"account": None}, {"account": ""}, {"account": 7}, {"account": "a{b}"},
        {"account": "x" * 129}, {"account": "a\nb"}, {"type": None}, {"type": ""}, {"type": 7}, {"nbf": NOW + 600},
    ],
)  # fmt: skip
def test_claims_that_are_refused(keys: Path, settings: Tokens, changes: dict[str, Any]) -> None:
    """Whoever signed them."""
    with pytest.raises(BadToken):
        Verifier(settings).verify(signed(keys, **changes), NOW)


def test_signatures_that_are_refused(keys: Path, settings: Tokens) -> None:
    """Another key, another algorithm, none at all, a public key as a secret, a broken signature."""
    verifier = Verifier(settings)
    good = signed(keys)
    assert verifier.verify(good, NOW) == Identity("tv", "alice", "tv", NOW + 600.0)
    head, claims, signature = good.split(".")
    public = OctKey.import_key((keys / PUBLIC).read_bytes())
    none = msgspec.json.encode({"alg": "none"})
    bare = {name: value for name, value in private(keys).as_dict(private=True).items() if name != "alg"}
    with pytest.warns(SecurityWarning):
        retired = signed(keys, alg="EdDSA", key=OKPKey.import_key(bare))
    for token in (
        signed(keys, key=OKPKey.generate_key("Ed25519")),
        retired,
        signed(keys, alg="HS256", key=public),
        f"{head}.{claims}.",
        f"{head}.{claims}.{'A' * len(signature)}",
        f"{OctKey.import_key(none).as_dict()['k']}.{claims}.",
        good + "x",
        good * 100,
    ):
        with pytest.raises(BadToken):
            verifier.verify(token, NOW)


@given(st.text(max_size=60))
def test_any_text_is_refused_and_raises_nothing_else(settings: Tokens, text: str) -> None:
    """With dots in it too."""
    verifier = Verifier(settings)
    for token in (text, f"{text}.{text}.{text}", f"eyJhbGciOiJFZDI1NTE5In0.{text}.x"):
        with pytest.raises(BadToken):
            verifier.verify(token, NOW)


@pytest.mark.parametrize("head", [r'{"alg":"\ud800"}', r'{"alg":"Ed25519","kid":"\udc00"}'])
def test_what_is_told_of_a_token_can_be_sent(settings: Tokens, head: str) -> None:
    """Whatever stands in it: half a surrogate pair is a text in JSON, and none in UTF-8."""
    begin = base64.urlsafe_b64encode(head.encode()).rstrip(b"=").decode()
    with pytest.raises(BadToken) as refused:
        Verifier(settings).verify(f"{begin}.e30.c2ln", NOW)
    assert msgspec.json.encode(str(refused.value))


def test_any_of_several_keys_may_have_signed_and_the_file_may_change(tmp_path: Path, keys: Path) -> None:
    """Named by `kid`; a key that has left the file is no longer known, nor are tokens taken before."""
    second = generate_keys(tmp_path / "second")
    old, new = private(keys), OKPKey.import_key(msgspec.json.decode(second[0].read_bytes()))
    file = tmp_path / "both.jwks"
    file.write_bytes(msgspec.json.encode(KeySet([old, new]).as_dict(private=False)))
    settings = Tokens(keys=str(file))
    verifier = Verifier(settings)
    tokens = [issue(path, settings, "tv", "alice", "tv", 600, NOW) for path in (keys / PRIVATE, second[0])]
    for token in tokens:
        assert verifier.verify(token, NOW).device == "tv"
    assert not verifier.reload()
    file.write_bytes(second[1].read_bytes())
    changed = file.stat().st_mtime_ns + 1_000_000_000
    os.utime(file, ns=(changed, changed))
    assert verifier.reload()
    assert verifier.verify(tokens[1], NOW).device == "tv"
    with pytest.raises(BadToken):
        verifier.verify(tokens[0], NOW)


def test_keys_that_come_again_make_no_token_unknown(tmp_path: Path, keys: Path) -> None:
    """An address is asked every few minutes; others do, and theirs are verified anew."""
    verifier = Verifier(Tokens(keys="https://issuer.example/jwks"))
    text, token = (keys / PUBLIC).read_bytes(), issue(keys / PRIVATE, Tokens(), "tv", "alice", "tv", 600, NOW)
    verifier.use(text)
    verifier.verify(token, NOW)
    verifier.use(text)
    assert verifier.known(token)
    assert verifier.changes == 1
    verifier.use(generate_keys(tmp_path / "others")[1].read_bytes())
    assert verifier.known(token) is None
    assert verifier.changes == 2


def test_key_files(tmp_path: Path) -> None:
    """The private one is its owner's alone, and is never written over."""
    secret, public = generate_keys(tmp_path / "new")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert b'"d"' not in public.read_bytes()
    with pytest.raises(FileExistsError):
        generate_keys(tmp_path / "new")
    for text in (
        b"",
        b"{}",
        b"[]",
        b'{"keys":[]}',
        b'{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}',
        b"\xff",
        secret.read_bytes(),
    ):
        bad = tmp_path / "bad"
        bad.write_bytes(text)
        with pytest.raises(BadKeys, match="bad"):
            Verifier(Tokens(keys=str(bad)))
    bad.write_bytes(b"{}")
    with pytest.raises(BadKeys, match="bad"):
        issue(bad, Tokens(), "tv", "alice", "tv", 1)
    private_set = msgspec.json.encode({"keys": [msgspec.json.decode(secret.read_bytes())]})
    bad.write_bytes(private_set)
    with pytest.raises(BadKeys, match="public"):
        Verifier(Tokens(keys=str(bad)))


def test_a_token_that_no_edge_would_take_is_not_issued(keys: Path, settings: Tokens) -> None:
    """Said at once, not at the first hello."""
    with pytest.raises(BadToken, match="device id"):
        issue(keys / PRIVATE, settings, "a/b", "alice", "tv", 600, NOW)
    with pytest.raises(BadToken, match="longer"):
        issue(keys / PRIVATE, settings, "tv", "alice", "tv", settings.longest + 1, NOW)
    assert Verifier(settings).verify(issue(keys / PRIVATE, settings, "tv", "alice", "tv", settings.longest, NOW), NOW)


def test_the_cache_is_bounded(keys: Path, settings: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two generations; a token in use stays."""
    monkeypatch.setattr("edge.auth.tokens._CACHED", 2)
    verifier = Verifier(settings)
    tokens = [signed(keys, sub=f"tv-{number}") for number in range(5)]
    for token in (*tokens, *tokens):
        verifier.verify(token, NOW)
        assert len(verifier._good) <= 4


class AliceRevoked:
    """Alice's tokens of before NOW are revoked."""

    def since(self, account: str) -> int:
        """As the store says it."""
        return NOW if account == "alice" else -1


def test_a_token_is_known_once_it_was_good(keys: Path, settings: Tokens) -> None:
    """And stands as long as it is: not when it has expired, not when it is revoked."""
    token = issue(keys / PRIVATE, settings, "tv-1", "alice", "tv", 600, NOW)
    verifier = Verifier(settings)
    assert verifier.known(token) is None
    identity = verifier.verify(token, NOW)
    assert verifier.known(token) == identity
    assert verifier.stands(identity, identity.expires + settings.leeway - 1)
    assert not verifier.stands(identity, identity.expires + settings.leeway)
    assert not Verifier(settings, AliceRevoked()).stands(identity, NOW)


def test_a_revoked_account_needs_newer_tokens(keys: Path, settings: Tokens) -> None:
    """Whatever the cache knows; a token that does not say when it was issued is not newer. Others are as they were."""
    revoked: list[AliceRevoked] = []

    class Later:
        """Revoked once the list says so."""

        def since(self, account: str) -> int:
            """As the store says it."""
            return revoked[0].since(account) if revoked else -1

    verifier = Verifier(settings, Later())
    old, silent = signed(keys, iat=NOW), signed(keys)
    other, new = signed(keys, iat=NOW, account="bob"), signed(keys, iat=NOW + 1)
    for token in (old, silent, other, new):
        verifier.verify(token, NOW + 2)
    revoked.append(AliceRevoked())
    for token in (old, silent):
        with pytest.raises(BadToken, match="revoked"):
            verifier.verify(token, NOW + 2)
    for token in (other, new):
        assert verifier.verify(token, NOW + 2)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": NOW + 40 * 86_400}, "longer"), ({"iat": -5}, "moments"), ({"iat": NOW + 900}, "future"),
        ({"iat": "x"}, "iat"), ({"exp": float("nan")}, "token"), ({"iat": float("nan")}, "token"),
        ({"exp": 1e300}, "moments"),
    ],
)  # fmt: skip
def test_times_that_are_refused(keys: Path, settings: Tokens, changes: dict[str, Any], why: str) -> None:
    """A token must not outlive the revocations that could end it."""
    with pytest.raises(BadToken, match=why):
        Verifier(settings).verify(signed(keys, **changes), NOW)


def test_tokens_of_unknown_keys_are_counted(keys: Path, settings: Tokens) -> None:
    """Those that name a key; so that new keys are fetched, but not for any nonsense."""
    verifier = Verifier(settings)
    stranger = OKPKey.generate_key("Ed25519")
    stranger.ensure_kid()
    named = jwt.encode({"alg": "Ed25519", "kid": stranger.kid}, {"sub": "tv"}, stranger, algorithms=["Ed25519"])
    for token in (named, "nonsense", signed(keys, key=OKPKey.generate_key("Ed25519"))):
        with pytest.raises(BadToken):
            verifier.verify(token, NOW)
    assert verifier.strangers == 1
