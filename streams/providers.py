"""Settings of the platforms that a provider or an address of the device's stands behind."""

from __future__ import annotations

from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0, le=31 * 86_400)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of settings."""


class Registry(Frozen, frozen=True):
    """The registry of devices.

    token_keys: JWK Set of symmetric keys; the first seals tokens of platforms, all open them; empty: none is sealed.
    """

    token_keys: str = ""


class Apns(Frozen, frozen=True):
    """Apple's push service.

    url: Its address; `https://api.sandbox.push.apple.com` for apps that were not installed from the store.
    key: The signing key, PEM as in Apple's file `AuthKey_<key id>.p8`; empty: `push-apns` does not start.
    key_id: Its ten characters.
    team: The ten characters of the team that owns it.
    topic: Bundle id of the app.
    authorities: File with the certificates that are trusted instead of the machine's; empty: the machine's.
    connections: HTTP/2 connections that a worker keeps.
    at_once: Most requests of a worker that wait for an answer.
    timeout: Longest wait for an answer, s.
    """

    url: str = "https://api.push.apple.com"
    key: str = ""
    key_id: str = ""
    team: str = ""
    topic: str = ""
    authorities: str = ""
    connections: Positive = 2
    at_once: Positive = 500
    timeout: Seconds = 5.0


class Fcm(Frozen, frozen=True):
    """Firebase Cloud Messaging, HTTP v1.

    url: Its address.
    account: The service account's key, JSON as Google's file holds it; empty: `push-fcm` does not start.
    account_file: File that holds it, read anew for each access token.
    authorities: File with the certificates that are trusted instead of the machine's; empty: the machine's.
    quota: Messages that the project may send in a minute, all workers together.
    at_once: Most requests of a worker that wait for an answer.
    timeout: Longest wait for an answer, s.
    """

    url: str = "https://fcm.googleapis.com"
    account: str = ""
    account_file: str = ""
    authorities: str = ""
    quota: Positive = 600_000
    at_once: Positive = 500
    timeout: Seconds = 5.0


class Webpush(Frozen, frozen=True):
    """Browsers, through the push services that they name.

    key: The VAPID key, PEM of a private key on P-256; empty: `push-webpush` does not start.
    subject: Whom a push service may ask about the pushes: `mailto:` and an address, or an `https:` page.
    at_once: Most requests of a worker that wait for an answer.
    timeout: Longest wait for an answer, s.
    """

    key: str = ""
    subject: str = ""
    at_once: Positive = 500
    timeout: Seconds = 5.0


class Webhook(Frozen, frozen=True):
    """Addresses that take pushes as signed POSTs.

    at_once: Most requests of a worker that wait for an answer.
    timeout: Longest wait for an answer, s.
    """

    at_once: Positive = 500
    timeout: Seconds = 5.0


class Egress(Frozen, frozen=True):
    """Where requests to addresses that devices name may go: push services and webhooks.

    allow: Schemes and ports, `scheme:port`.
    networks: Networks that may be called though they are not of the open net, such as `10.1.0.0/16`.
    authorities: File with the certificates that are trusted instead of the machine's; empty: the machine's.
    """

    allow: tuple[str, ...] = ("https:443",)
    networks: tuple[str, ...] = ()
    authorities: str = ""
