"""What reading one event costs: both modes of CloudEvents beside the reference SDK, and the envelope between stages."""

from __future__ import annotations

import argparse
import json
import sys
import timeit
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from streams.cloudevents import decode
from streams.envelope import VERSION, Envelope, decode_envelope, encode, position
from streams.event import Event

ACCOUNT = "account-0000123456"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TIME_MS = 1_800_000_000_123
DATA = {"profile": "p-1", "maturity": "teen", "changed": ["maturity", "language"]}
ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "0190a5b2-7c3e-7d10-9f6a-000000000001",
    "source": "/services/profiles",
    "type": "member.profile.maturity-changed",
    "subject": ACCOUNT,
    "time": "2027-01-15T08:00:00.123Z",
    "datacontenttype": "application/json",
    "devicetypes": "tv,phone",
    "traceparent": TRACE,
}
EVENT = Event(
    account=ACCOUNT, source=ATTRIBUTES["source"], id=ATTRIBUTES["id"], type=ATTRIBUTES["type"], time=TIME_MS,
    content_type="application/json", payload=json.dumps(DATA).encode(), device_types=("tv", "phone"), trace=TRACE,
)  # fmt: skip
ENVELOPE = Envelope(
    version=VERSION, topic_id=b"topc", partition=3, seq=position(1, 123_456_789), lane=0, account=ACCOUNT,
    source=EVENT.source, id=EVENT.id, type=EVENT.type, time=TIME_MS, appended=TIME_MS + 2, deadline=TIME_MS + 3_600_000,
    expires=TIME_MS + 86_400_000, content_type=EVENT.content_type, payload=EVENT.payload, trace=TRACE,
)  # fmt: skip


class Case(NamedTuple):
    """One thing that is measured: a call and what it must give."""

    name: str
    call: Callable[[], object]
    expected: object

    def microseconds(self, seconds: float) -> float:
        """The best of seven runs, which together take about these seconds."""
        timer = timeit.Timer(self.call)
        number = max(1, int(seconds / 7 / (timer.timeit(500) / 500)))
        return round(min(timer.repeat(7, number)) / number * 1e6, 2)


def sdk_read(message: KafkaMessage) -> tuple[dict[str, Any], object]:
    """What the SDK reads."""
    event = from_kafka_event(message)
    return event.get_attributes(), event.get_data()


def cases() -> list[Case]:
    """Everything that is measured; the records are written by the SDK."""
    attributes = ATTRIBUTES | {"time": datetime.fromisoformat(ATTRIBUTES["time"])}
    event = CloudEvent(attributes, DATA)
    structured, binary, packed = to_structured_event(event), to_binary_event(event), encode(ENVELOPE)
    structured_headers, binary_headers = list(structured.headers.items()), list(binary.headers.items())
    key = ACCOUNT.encode()
    return [
        Case("structured_us", lambda: decode(key, structured.value, structured_headers), EVENT),
        Case("binary_us", lambda: decode(key, binary.value, binary_headers), EVENT),
        Case("sdk_structured_us", lambda: sdk_read(structured), (attributes, DATA)),
        Case("sdk_binary_us", lambda: sdk_read(binary), (attributes, DATA)),
        Case("envelope_decode_us", lambda: decode_envelope(packed), ENVELOPE),
    ]


def main() -> int:
    """Check every result, measure, print one line of JSON; 1 where a result was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each measurement (default %(default)s)")
    seconds = parser.parse_args().seconds
    measured = cases()
    wrong = [case.name for case in measured if case.call() != case.expected]
    for name in wrong:
        print(f"{name}: another result than expected", file=sys.stderr)
    print(json.dumps({case.name: case.microseconds(seconds) for case in measured} | {"wrong": len(wrong)}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
