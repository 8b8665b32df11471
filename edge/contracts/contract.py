"""What the edge takes and gives, as types: docs/openapi.json and docs/asyncapi.json are made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edge.devices import DeviceBody
from edge.ingest.results import Result
from edge.pull.endpoint import AckBody
from edge.sockets.messages import Cursor
from sinks.erasure import Holdings


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all answers: a test fails for a member that is not written down here."""


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. `type` begins with `urn:lockstep:problem:` and does not change."""

    type: str
    title: str
    status: int
    detail: str = ""


class Device(Answer, frozen=True):
    """A registered device. `registered` is in ms since 1970."""

    id: str
    type: str
    app_version: str
    platform: str
    capabilities: tuple[str, ...]
    registered: int


class SeenDevice(Device, frozen=True):
    """A device as operators see it. `last_seen` is in ms since 1970, to the hour."""

    last_seen: int | None


class Registration(Answer, frozen=True):
    """The device, and the cursor of a device that has none."""

    device: Device
    cursor: Cursor


class OneDevice(Answer, frozen=True):
    """The device."""

    device: Device


class OneSeenDevice(Answer, frozen=True):
    """The device."""

    device: SeenDevice


class SeenDevices(Answer, frozen=True):
    """All devices of an account."""

    devices: tuple[SeenDevice, ...]


class Item(msgspec.Struct, frozen=True):
    """A notification. `data` where its type is JSON, else `data_base64`. Pass over members that you do not know."""

    id: str
    type: str
    time: str
    expires: str
    lane: str
    events: tuple[str, ...]
    datacontenttype: str
    cursor: Cursor
    data: Any = None
    data_base64: str = ""


class Notification(msgspec.Struct, tag="notification", tag_field="type", frozen=True):
    """First what was missed, then live."""

    item: Item


class Page(Answer, frozen=True):
    """One page. `poll_after`: seconds until the device asks again; 0 with `more`, and after a wait."""

    items: tuple[Item, ...]
    next_cursor: Cursor
    more: bool
    poll_after: int


class Published(Answer, frozen=True):
    """One result for each event, in their order."""

    results: tuple[Result, ...]


class NotPublished(Problem, frozen=True):
    """A problem that all events of a request have; none was published."""

    results: tuple[Result, ...] = ()


class Revocation(Answer, frozen=True):
    """Tokens issued at or before `revoked_until` (s since 1970) are not good any more."""

    revoked_until: int
    connections_ended: int


class Erased(Answer, frozen=True):
    """What was held before, what is held now (nothing), and when topics have forgotten what they may hold now (s)."""

    revoked_until: int
    erased: Holdings
    left: Holdings
    events_end: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent in the JSON format. Other extension attributes may be added."""

    specversion: Literal["1.0"]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=128, description="The account.")]
    time: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    datacontenttype: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    data: Any = None
    data_base64: str | None = None
    expirytime: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})] | None = None
    collapsekey: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    devicetypes: str | None = None
    deviceids: str | None = None
    origindevice: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    version: Annotated[int, msgspec.Meta(ge=0)] | str | None = None
    traceparent: str | None = None


TYPES = (
    AckBody, DeviceBody, Device, Erased, Event, NotPublished, OneDevice, OneSeenDevice, Page, Problem, Published,
    Registration, Revocation, SeenDevices,
)  # fmt: skip
