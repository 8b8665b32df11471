"""The AsyncAPI document of what is not HTTP: the device socket, and the Kafka topics that others write or read."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

import msgspec

from edge.contracts import contract
from edge.contracts.asyncapi_kafka import kafka_channels
from edge.sockets import handshake, messages
from streams.outcomes import Outcome, OutcomeBatch
from streams.topology import Topology

Action = Literal["receive", "send"]
_REF: Final = "#/components/schemas/{name}"
_ITEM: Final = contract.Item(
    "000100000000002f00000007d02f5bbc", "member.plan.changed", "2026-11-25T02:21:45.207Z", "2026-12-02T02:21:45.711Z",
    "high", ("7ede2f2b256b4ab2bfc0c12e721871d7",), "application/json", "AQBrBkY5v6eYL4K6AAAA", {"plan": "premium"},
)  # fmt: skip


class Said(NamedTuple):
    """A message of the socket by an example; `action` is the edge's part, `replies` what may answer it."""

    action: Action
    example: msgspec.Struct
    replies: tuple[str, ...] = ()


SOCKET: Final = {
    "hello": Said("receive", messages.Hello("eyJhbGciOiJFZDI1NTE5In0.e30.c2ln", "AQBrBkY5v6eYL4K6AAAA"),
                  ("welcome", "error")),
    "ack": Said("receive", messages.Ack("AQBrBkY5v6eYL4K6AAAA", {_ITEM.id: "failed"})),
    "ping": Said("receive", messages.Ping(), ("pong",)),
    "welcome": Said("send", messages.Welcome("7-1764037305-3f", 55, 64, messages.Limits(16384, 100.0, 1000.0))),
    "notification": Said("send", contract.Notification(_ITEM)),
    "sync": Said("send", messages.Sync("AQBrBkY5v6eYL4K6AAAA")),
    "sync_end": Said("send", messages.SyncEnd("AQBrBkY5v6eYL4K6AAAA")),
    "pong": Said("send", messages.Pong()),
    "goaway": Said("send", messages.GoAway(3.2, "lifetime")),
    "error": Said("send", messages.Error(4401, "bad-token", "it has expired")),
}  # fmt: skip


def document(topology: Topology) -> dict[str, Any]:
    """The document, AsyncAPI 3.0, with the topics of a topology."""
    kafka = kafka_channels(topology)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lockstep",
            "version": "1",
            "description": "The socket of devices, and the topics that other systems write or read. `receive` is what "
            "lockstep receives. All of HTTP is in openapi.json.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "edge": {"host": "127.0.0.1:8080", "protocol": "ws", "description": "The edge; outside it is `wss`."},
            "kafka": {
                "host": "127.0.0.1:19092",
                "protocol": "kafka",
                "description": "A deployment may put a prefix before all topics, LOCKSTEP_TOPIC_PREFIX.",
            },
        },
        "channels": {"socket": _socket(), **{each.name: each.channel() for each in kafka}},
        "operations": {
            **{name: _operation(name, said) for name, said in SOCKET.items()},
            **{each.operation_name: each.operation() for each in kafka},
        },
        "components": {
            "messages": {
                **{name: _message(name, said) for name, said in SOCKET.items()},
                **{name: message for each in kafka for name, message in each.messages.items()},
            },
            "schemas": schemas(),
        },
    }


def _socket() -> dict[str, Any]:
    return {
        "address": "/v1/socket",
        "title": "The device socket",
        "description": "WebSocket version 13, text frames with one JSON object each. The first message of a device is "
        "a hello. Members may be added: pass over those that you do not know.",
        "servers": [{"$ref": "#/servers/edge"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in SOCKET},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {"type": "string", "enum": [handshake.SUBPROTOCOL.decode()]}
                    },
                    "required": ["Sec-WebSocket-Protocol"],
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-close-codes": [
            {"code": each.code, "name": each.name, "description": each.advice} for each in messages.CLOSINGS
        ],
    }


def _message(name: str, said: Said) -> dict[str, Any]:
    return {
        "name": name,
        "summary": _about(said.example),
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(name=type(said.example).__name__)},
        "examples": [{"payload": msgspec.to_builtins(said.example)}],
    }


def _operation(name: str, said: Said) -> dict[str, Any]:
    made: dict[str, Any] = {
        "action": said.action,
        "channel": {"$ref": "#/channels/socket"},
        "summary": _about(said.example),
        "messages": _of_socket([name]),
    }
    if said.replies:
        made["reply"] = {"channel": {"$ref": "#/channels/socket"}, "messages": _of_socket(said.replies)}
    return made


def _of_socket(names: Iterable[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/socket/messages/{name}"} for name in names]


def _about(example: msgspec.Struct) -> str:
    return inspect.cleandoc(type(example).__doc__ or "")


def schemas() -> dict[str, Any]:
    """The types of all payloads, by name, in the dialect of AsyncAPI 3.0: JSON Schema draft 7."""
    types = [type(said.example) for said in SOCKET.values()]
    _, components = msgspec.json.schema_components([*types, contract.Event, OutcomeBatch], ref_template=_REF)
    for packed in (Outcome, OutcomeBatch):
        names = [field.name for field in msgspec.structs.fields(packed)]
        places = zip(names, components[packed.__name__]["prefixItems"], strict=True)
        components[packed.__name__]["prefixItems"] = [{"title": name, **schema} for name, schema in places]
    return {name: dict(_draft_7(schema)) for name, schema in components.items()}


def _draft_7(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The lists of msgspec's arrays have another name there; a later release may put more behind them."""
    for key, value in schema.items():
        if key == "description":
            yield key, inspect.cleandoc(value)
        else:
            yield ("items" if key == "prefixItems" else key), value
