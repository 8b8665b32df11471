"""`lockstep send`: publishes events and prints where each of them lies."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edge.cli.common import pass_settings
from edge.cli.convert import seconds
from edge.ingest.outgoing import BadInput, Outgoing, outgoing
from streams.settings import Settings

if TYPE_CHECKING:
    from edge.cli.publishing import Sender

_ATTRIBUTES = {
    "account": "subject", "type_": "type", "source": "source", "id_": "id", "time_": "time",
    "content_type": "datacontenttype", "expires": "expirytime", "collapse": "collapsekey", "to_types": "devicetypes",
    "to_devices": "deviceids", "origin": "origindevice", "version": "version", "traceparent": "traceparent",
}  # fmt: skip


@click.command()
@click.option("--account", help="Whom the event is about.")
@click.option("--type", "type_", help="Event type, such as member.plan.changed.")
@click.option("--data", help="Payload: a JSON text, or any text with another --content-type.")
@click.option("--content-type", help="Media type of the payload.  [default: application/json]")
@click.option("--source", help="Who publishes.  [default: /lockstep/send]")
@click.option("--id", "id_", help="Id of the event.  [default: a fresh one]")
@click.option("--time", "time_", help="When it happened, RFC 3339.  [default: now]")
@click.option("--expires", help="Last moment at which it can be read, RFC 3339, or a number and s, m, h or d from now.")
@click.option("--collapse", help="Collapse key: a newer event of the same key supersedes an older.")
@click.option("--version", help="Version of what changed, a number that rises.")
@click.option("--to-types", help="Only to devices of these types, separated by commas.")
@click.option("--to-devices", help="Only to devices with these ids, separated by commas.")
@click.option("--origin", help="The device that caused it, which knows already.")
@click.option("--traceparent", help="W3C trace context.")
@click.option("--file", help="CloudEvents instead, one JSON object a line; - is standard input.")
@click.option("--binary", is_flag=True, help="Binary mode: attributes in headers. Otherwise structured.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many events a second.")
@pass_settings
def send(settings: Settings, /, file: str | None, binary: bool, rate: float | None, **options: str | None) -> None:
    """Publish one event, or those of a file. Prints a JSON line for each: id, account, partition, offset.

    Missing ids and times are filled in. An event is sent though lockstep may refuse it: `trace` tells.
    """
    if file is None:
        with _sender(settings) as sender:
            sender.send(_checked(_from_options(options), binary, "event"))
        return
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise click.UsageError("--file brings its own attributes: leave the other options out")
    with _lines(file) as lines, _sender(settings) as sender:
        for event in _paced(lines, rate):
            sender.send(_checked(event.attributes, binary, event.where))


class _Line:
    """A line of a file, read."""

    def __init__(self, where: str, text: bytes) -> None:
        self.where = where
        try:
            self.attributes: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise click.ClickException(f"{where}: not a JSON object: {error}") from error


@contextmanager
def _sender(settings: Settings) -> Iterator[Sender]:
    from edge.cli.publishing import sending

    with sending(settings) as sender:
        yield sender


@contextmanager
def _lines(file: str) -> Iterator[Iterator[_Line]]:
    name = "<stdin>" if file == "-" else file
    with click.open_file(file, "rb") as stream:
        yield (_Line(f"{name}:{number}", text) for number, text in enumerate(stream, 1) if text.strip())


def _paced(lines: Iterator[_Line], rate: float | None) -> Iterator[_Line]:
    start = time.monotonic()
    for number, line in enumerate(lines):
        if rate:
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
        yield line


def _checked(attributes: Mapping[str, Any], binary: bool, where: str) -> Outgoing:
    try:
        return outgoing(attributes, binary, uuid.uuid4().hex, _rfc3339(datetime.now(UTC)))
    except BadInput as error:
        raise click.ClickException(f"{where}: {error}") from error


def _from_options(options: Mapping[str, str | None]) -> dict[str, Any]:
    for name in ("account", "type_"):
        if options[name] is None:
            raise click.UsageError(f"give --{name.strip('_')}, or --file")
    event: dict[str, Any] = {_ATTRIBUTES[name]: text for name, text in options.items() if name != "data" and text}
    expires = event.get("expirytime")
    if expires and expires[-1:] in "smhd":
        event["expirytime"] = _rfc3339(datetime.fromtimestamp(time.time() + seconds(expires), UTC))
    if options["data"] is not None:
        event["data"] = _data(options["data"], options["content_type"])
    return event


def _data(text: str, content_type: str | None) -> Any:
    from streams.cloudevents import is_json

    if content_type and not is_json(content_type):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"--data is not JSON: {error}") from error


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
