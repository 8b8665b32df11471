"""What happens in the demo: the household, its events, and what must become of each."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

ACCOUNT = "household-7"


@dataclass(frozen=True)
class Home:
    """A device of the household. `on` says whether it is online from the start."""

    id: str
    type: str
    on: bool = True


HOUSEHOLD = (Home("tv", "tv"), Home("phone-1", "phone"), Home("browser", "browser"), Home("phone-2", "phone", on=False))
ONLINE = tuple(home.id for home in HOUSEHOLD if home.on)
OFF = tuple(home.id for home in HOUSEHOLD if not home.on)


@dataclass(frozen=True)
class Step:
    """One event: its CloudEvents attributes and data (or raw bytes), and the outcome that must come.

    `outcome` is an event-level kind, or "" where `devices` must get it. `more` are published with it, in one go: all
    of them must reach the devices, and some of them as part of another.
    """

    title: str
    attributes: dict[str, str] = field(default_factory=dict)
    data: object = None
    raw: bytes | None = None
    outcome: str = ""
    devices: tuple[str, ...] = ()
    more: tuple[Step, ...] = ()

    def value(self) -> bytes:
        """The record value: a structured CloudEvent, or the raw bytes."""
        if self.raw is not None:
            return self.raw
        return json.dumps({**self.attributes, "data": self.data}).encode()


def steps(now: datetime) -> list[Step]:
    """The scenario at a moment; ids are fresh, so that the demo can run again."""
    run = uuid.uuid4().hex[:8]

    def event(name: str, type_: str, ago: timedelta = timedelta(0), **more: str) -> dict[str, str]:
        return {
            "specversion": "1.0", "id": f"{run}-{name}", "source": "/demo", "type": type_, "subject": ACCOUNT,
            "time": (now - ago).astimezone(UTC).isoformat(), "datacontenttype": "application/json", **more,
        }  # fmt: skip

    everybody = ONLINE + OFF
    my_list = event("my-list", "member.list.changed")
    changes = [
        Step("", event(f"my-list-{number}", "member.list.changed"), {"titles": {kind: [title]}}, devices=everybody)
        for number, (kind, title) in enumerate((("added", 80057281), ("added", 80192098), ("removed", 80057281)))
    ]
    return [
        Step("viewing activity on the TV", event("viewing", "member.viewing.updated", origindevice="tv"),
             {"title": 80057281, "position_s": 1312}, devices=("phone-1", "browser", "phone-2")),
        Step("personalised refresh", event("refresh", "member.home.refreshed"), {"rows": "new"}, devices=everybody),
        Step("plan change", event("plan", "member.plan.changed", version="2"), {"plan": "premium"}, devices=everybody),
        Step("My List", my_list, {"titles": {"added": [70143836]}}, devices=everybody),
        replace(changes[0], title="three changes of My List", outcome="merged", more=tuple(changes[1:])),
        Step("profile: maturity level", event("maturity", "member.profile.maturity-changed"),
             {"profile": 3, "maturity": 70}, devices=everybody),
        Step("diagnostics of the TV", event("diagnostics", "device.diagnostics.requested", deviceids="tv"),
             {"collect": ["network"]}, devices=("tv",)),
        Step("too old (2 h)", event("stale", "member.viewing.updated", timedelta(hours=2)), {}, outcome="stale"),
        Step("the same My List again", my_list, {"titles": {"added": [70143836]}}, outcome="duplicate"),
        Step("plan change, older version", event("plan-1", "member.plan.changed", version="1"), {"plan": "basic"},
             outcome="superseded"),
        Step("not an event at all", raw=b"\xff\xfe this is no JSON", outcome="dead-lettered"),
        Step("for the phone that is off", event("phone", "member.profile.changed", deviceids="phone-2"),
             {"profile": 1, "name": "Ada"}, devices=("phone-2",)),
    ]  # fmt: skip
