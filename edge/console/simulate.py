"""A dry run of one event for one account: the gates on what is known, the paths on who is online; nothing changes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from aiohttp import web

from edge.bodies import read_small
from edge.console.accounts import account_in
from edge.console.answers import as_json
from edge.console.door import API, Door
from edge.console.dry.run import DryRun, Judged
from edge.console.index.store import INGEST, Index
from edge.console.kafka import Topics
from edge.console.said import last_words, topic_of
from edge.console.stores import Later, Stores
from edge.oncall.verdicts import Said, Way, verdicts
from edge.problems import malformed
from sinks.heads import AccountState
from sinks.paths import Plan, plans, rules_of
from streams.admin import ingest_topic_id
from streams.cloudevents import STRUCTURED, decode
from streams.envelope import Envelope, offset_of
from streams.event import BadEvent
from streams.record import Record
from streams.settings import Settings
from streams.targets import CACHED, DEVICE, Predicate, matches
from streams.topology import Topology
from streams.transport.client import RawRecord, Reader, partition_for

#: Events of the account, the newest, that the tables of the dry run know.
KNOWN: Final = 50
_HEADERS: Final = [("content-type", f"{STRUCTURED}+json".encode())]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Draft(msgspec.Struct, forbid_unknown_fields=True):
    """The event to be judged; what is left out is as of a new event of now. Lists restrict nothing while empty."""

    type: Text
    data: msgspec.Raw = msgspec.Raw(b"{}")
    id: Text = ""
    source: Text = "/console"
    time: str = ""
    expirytime: str = ""
    collapsekey: str = ""
    version: int | None = None
    device_types: tuple[Text, ...] = ()
    device_ids: tuple[Text, ...] = ()
    origin: str = ""


_draft = msgspec.json.Decoder(Draft).decode


class Trial(NamedTuple):
    """The event as it was judged, and how many of the account's events the tables knew."""

    record: Record
    judged: Judged
    known: int


class Simulate:
    """POST accounts/{account}/simulate"""

    def __init__(
        self, settings: Settings, topology: Topology, index: Index, topics: Topics, later: Later, door: Door
    ) -> None:
        self._settings = settings
        self._topology = topology
        self._index = index
        self._topics = topics
        self._later = later
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.post(API + "accounts/{account}/simulate", self.simulate)]

    async def simulate(self, request: web.Request) -> web.Response:
        """What would become of an event that comes now. Nothing is written, and nothing is put into a topic."""
        self._door.asked(request, "read")
        account = account_in(request)
        try:
            draft = _draft(await read_small(request))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise malformed("body", str(error)) from error
        stores = self._later.get()
        value = _structured(draft, account)
        trial = await self._topics.read(lambda source: asyncio.run(self._judged(source, account, value)))
        notified = trial.judged.notified
        state = await _state(stores, account, notified.lane if notified else 0)
        plan = None if notified is None else self._plan(notified, state, stores)
        return as_json(self._told(trial, plan, state))

    async def _judged(self, source: Reader, account: str, value: bytes) -> Trial:
        partition = partition_for(account.encode(), self._topology.partitions)
        known = list(self._known(source, account, partition))
        offset = known[-1].offset + 1 if known else 0
        record = RawRecord(offset, int(time.time() * 1000), account.encode(), value, _HEADERS)
        run = DryRun(self._settings, self._topology, partition, ingest_topic_id(self._settings))
        return Trial(record, (await run.judge([*known, record]))[-1], len(known))

    def _known(self, source: Reader, account: str, partition: int) -> Sequence[Record]:
        """The account's last events, in their order."""
        partitions, topic = self._topology.partitions, topic_of(self._settings.topic_prefix)
        words = last_words(source, topic, self._index, account, partitions, 4 * KNOWN)
        offsets = sorted({offset_of(word.outcome.seq) for word in words})[-KNOWN:]
        name = self._settings.topic_prefix + INGEST
        found = (source.one(name, partition, offset) for offset in offsets)
        return [record for record, offset in zip(found, offsets, strict=True) if record and record.offset == offset]

    def _plan(self, envelope: Envelope, state: AccountState, stores: Stores) -> Plan:
        states = {(envelope.account, envelope.lane): state}
        now = int(time.time() * 1000)
        return next(plans([envelope], states, stores.gateways.incarnations, rules_of(self._topology), now))

    def _told(self, trial: Trial, plan: Plan | None, state: AccountState) -> dict[str, Any]:
        judged, record = trial.judged, trial.record
        routed, notified = judged.routed, judged.notified
        said = [judged.said] if judged.said else []
        if plan is not None and plan.outcome.kind != "stored":
            said.append(Said("store", plan.outcome))
        at = judged.at
        size = len(record.value or b"") + sum(len(name) + len(value) for name, value in record.headers)
        way = Way(size, at, routed, at if routed else -1, notified, at if notified else -1)
        try:
            event = decode(record.key, record.value, record.headers)
        except BadEvent:
            event = None
        gates = verdicts(self._topology, self._settings.limits, event, way, said)
        end = said[-1].outcome if said else plan.outcome if plan else None
        lane = routed.lane if routed else -1
        return {
            "verdicts": [
                {"stage": gate.stage, "gate": gate.gate, "verdict": "passed" if gate.passed else "refused",
                 "why": gate.detail}
                for gate in gates
            ],
            "outcome": {"kind": end.kind, "why": end.detail} if end else None,
            "lane": self._topology.lane_names()[lane] if lane >= 0 else None,
            "deadline": routed.deadline if routed else None,
            "expires": routed.expires if routed else None,
            "devices": _devices(plan, notified, state),
            "judged_against": trial.known,
        }  # fmt: skip


async def _state(stores: Stores, account: str, lane: int) -> AccountState:
    """What `store` would see of the account, without raising its head. Raises what stores raise."""
    heads, presence, devices = await asyncio.gather(
        stores.heads.read(account), stores.presence.read(account), stores.registry.copy(account)
    )
    return AccountState(heads[lane], presence, devices)


def _structured(draft: Draft, account: str) -> bytes:
    attributes: dict[str, Any] = {
        "specversion": "1.0", "id": draft.id or f"dry-{uuid.uuid4().hex[:12]}", "source": draft.source,
        "type": draft.type, "subject": account, "time": draft.time or datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json", "expirytime": draft.expirytime, "collapsekey": draft.collapsekey,
        "version": draft.version, "devicetypes": ",".join(draft.device_types), "deviceids": ",".join(draft.device_ids),
        "origindevice": draft.origin, "data": draft.data,
    }  # fmt: skip
    return msgspec.json.encode({name: value for name, value in attributes.items() if value not in ("", None)})


def _devices(plan: Plan | None, notified: Envelope | None, state: AccountState) -> list[dict[str, str]]:
    """What would happen for each registered device, and why."""
    if plan is None or notified is None:
        return []
    paths = {target[0]: name for name, push in plan.pushes.items() for target in push.targets}
    targeted = plan.outcome.devices
    told = []
    for field, value in zip(state.devices[::2], state.devices[1::2], strict=True):
        if field == CACHED:
            continue
        device = field.decode(errors="backslashreplace")
        if device in paths:
            would, why = "push", f"through {paths[device]}, and kept in its inbox"
        elif device in targeted:
            would, why = "store", "kept in its inbox until it asks"
        else:
            would, why = "nothing", _why_not(notified.target, device, value)
        told.append({"id": device, "would": would, "platform": paths.get(device, ""), "why": why})
    return told


def _why_not(target: Predicate, device: str, value: bytes) -> str:
    """Which part of the predicate leaves a device out."""
    type_bit, version, _ = DEVICE.unpack_from(value)
    parts = (
        (Predicate(types=target.types), "its type is not meant"),
        (Predicate(least=target.least), "its app is too old"),
        (Predicate(origin=target.origin), "it caused the event"),
        (Predicate(ids=target.ids), "others are named"),
    )
    return "; ".join(why for part, why in parts if not matches(part, device, type_bit, version)) or "it is not known"
