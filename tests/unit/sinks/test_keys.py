"""What devices register with their platforms."""

from __future__ import annotations

import base64

import pytest

from sinks.keys import BadToken, Endpoint, Subscription, endpoint, pack, subscription

POINT = b"\x04" + bytes(range(64))
AUTH = bytes(range(16))
SECRET, OTHER = bytes(range(24)), bytes(range(64))
WEB = {"p256dh": base64.urlsafe_b64encode(POINT).decode(), "auth": base64.urlsafe_b64encode(AUTH).decode().rstrip("=")}
URL = "https://push.example.org/wpush/v2/abc?x=1"


def _whsec(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()


def test_a_subscription_is_packed_and_read() -> None:
    """Keys with and without padding."""
    assert subscription(pack("webpush", URL, WEB).encode()) == Subscription(URL, POINT, AUTH)


@pytest.mark.parametrize("host", ["a", "A-1.xn--p1ai.", "_a.b", "a" * 63 + ".org", "192.0.2.1", "[2001:db8::1]:8443"])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    """Where it leads is for the guard to say."""
    assert subscription(pack("webpush", f"https://{host}/x", WEB).encode()).endpoint == f"https://{host}/x"


def test_an_endpoint_has_up_to_three_secrets() -> None:
    """The newest first."""
    packed = pack("webhook", URL, {"secret": f"{_whsec(SECRET)} {_whsec(OTHER)}"})
    assert endpoint(packed.encode()) == Endpoint(URL, (SECRET, OTHER))


def test_tokens_stay_as_they_are() -> None:
    """Also those of platforms that are not known here."""
    for platform, token in (("apns", "0a" * 32), ("fcm", "c" * 20 + ":APA91b"), ("socket", ""), ("stub", "gone:1")):
        assert pack(platform, token, {}) == token


@pytest.mark.parametrize(
    ("platform", "token", "keys", "why"),
    [
        ("apns", "no hex", {}, "not a device token of apns"),
        ("fcm", "with space" * 3, {}, "not a device token of fcm"),
        ("fcm", "c" * 20, {"auth": "x"}, "platform fcm has no keys"),
        ("pigeon", "é" * 2049, {}, "longer than 4096 bytes"),
        ("webhook", URL, {"secret": _whsec(SECRET) + 2000 * "\u2003"}, "longer than 4096 bytes"),
        ("webpush", URL, {}, "the keys are auth, p256dh"),
        ("webpush", URL, {**WEB, "auth": "!!"}, "auth is not base64url"),
        ("webpush", URL, {**WEB, "auth": "AAAA"}, "auth has not 16 bytes"),
        ("webpush", URL, {**WEB, "p256dh": "AAAA"}, "p256dh is not an uncompressed point"),
        ("webhook", URL, {"secret": ""}, "1 to 3 secrets"),
        ("webhook", URL, {"secret": _whsec(b"short")}, "a secret is whsec_ and base64 of 24 to 64 bytes"),
        ("webhook", URL, {"secret": _whsec(SECRET)[6:]}, "a secret is whsec_"),
        ("webhook", URL, {"secret": "whsec_!"}, "secret is not base64"),
        ("webpush", "ftp://example.org/", WEB, "an address with http"),
        ("webpush", "https:///path", WEB, "an address with http"),
        ("webpush", "https://example.org:0/", WEB, "an address with http"),
        ("webpush", f"https://{'a' * 64}.org/", WEB, "an address with http"),
        ("webpush", f"https://{'a.' * 126}org/", WEB, "an address with http"),
        ("webpush", "https://a..org/", WEB, "an address with http"),
        ("webpush", "https://.org/", WEB, "an address with http"),
        ("webpush", "https://a\\b.org/", WEB, "an address with http"),
        ("webpush", "https://a%20b.org/", WEB, "an address with http"),
        ("webpush", "https://example.org:99999/", WEB, "not an address"),
        ("webpush", "https://user@example.org/", WEB, "no user, password or fragment"),
        ("webpush", "https://:word@example.org/", WEB, "no user, password or fragment"),
        ("webpush", "https://example.org/#part", WEB, "no user, password or fragment"),
        ("webpush", "https://exämple.org/", WEB, "printable ASCII"),
        ("webpush", "https://example.org/" + "x" * 2048, WEB, "at most 2048"),
    ],
)
def test_what_cannot_be_used_is_refused(platform: str, token: str, keys: dict[str, str], why: str) -> None:
    """With a reason for whoever wrote the client."""
    with pytest.raises(BadToken, match=why):
        pack(platform, token, keys)


def test_a_text_of_another_platform_is_none() -> None:
    """The registry may hold anything."""
    with pytest.raises(BadToken, match="not an address with keys"):
        subscription(b"0a0a")
