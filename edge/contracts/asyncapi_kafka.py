"""The topics that others write or read, as AsyncAPI describes them: keys, headers, payloads and partitions."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from edge.contracts import contract
from streams.cloudevents import STRUCTURED
from streams.deadletters import ACTIONS, LEFT_OUT, PREFIX, Done, Identity, Origin, dead_letter, done
from streams.outcomes import REASONS
from streams.topology import Topic, TopicSpec, Topology

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "string", "pattern": "^[0-9]+$"}
_PLACE: Final = {"type": "string", "pattern": "^[0-9]+:[0-9]+$"}
_HEX: Final = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
_KEY: Final = {"type": "string", "minLength": 1, "description": "The account in UTF-8: the event's `subject`."}
_PARTITION: Final = (
    "The partition is that of Kafka's Java client: murmur2 of the key's bytes (seed 0x9747b28c), its sign bit cleared, "
    "modulo the number of partitions, which never changes. librdkafka needs `partitioner=murmur2_random`. All records "
    "of an account then lie on one partition, in order."
)
_SAME: Final = "A record lies on the partition number, of as many, on which its event lies in `ingest`."
_ABOUT: Final = {
    "ingest": ("Events of producers", f"CloudEvents 1.0 in the Kafka binding, structured or binary. {_PARTITION} An "
               "event on another partition is a dead letter (`wrong-partition`). At least once: an id takes effect "
               "once. Names of headers that begin with `lockstep-` are reserved."),
    "outcomes": ("What became of each event", f"{_SAME} A record holds what one stage decided in one batch. At least "
                 "once: after a crash an outcome may stand there twice."),
    "dead-letters": ("Events that could not be taken", f"{_SAME} A dead letter is the record as it was, with headers "
                     "that say where it was and why; a marker says that an operator has dealt with one."),
}  # fmt: skip
#: Header of a record for each attribute whose name there differs; the others have `ce_` before theirs.
_NOT_CE: Final = {"datacontenttype": "content-type"}
_PAYLOAD: Final = ("data", "data_base64")


class UndescribedTopic(Exception):
    """topics.yaml has a topic that others write or read, and the document has no words for it."""


class Described(NamedTuple):
    """A topic at the edge of lockstep: its settings in the cluster, and the messages in it."""

    name: str
    spec: TopicSpec
    topic: Topic
    messages: dict[str, dict[str, Any]]

    @property
    def operation_name(self) -> str:
        """What lockstep does with the topic."""
        return f"read-{self.name}" if self.spec.edge == "producers" else f"write-{self.name}"

    def channel(self) -> dict[str, Any]:
        """The topic as a channel."""
        title, about = _ABOUT[self.name]
        return {
            "address": self.name,
            "title": title,
            "description": about,
            "servers": [{"$ref": "#/servers/kafka"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in self.messages},
            "bindings": {"kafka": self._binding()},
        }

    def operation(self) -> dict[str, Any]:
        """What lockstep does with the topic."""
        return {
            "action": "receive" if self.spec.edge == "producers" else "send",
            "channel": {"$ref": f"#/channels/{self.name}"},
            "summary": _ABOUT[self.name][0],
            "messages": [{"$ref": f"#/channels/{self.name}/messages/{name}"} for name in self.messages],
        }

    def _binding(self) -> dict[str, Any]:
        config = self.topic.config
        return {
            "topic": self.name,
            "partitions": self.topic.partitions,
            "replicas": self.topic.replication,
            "topicConfiguration": {
                "cleanup.policy": [config["cleanup.policy"]],
                "retention.ms": int(config["retention.ms"]),
                "max.message.bytes": int(config["max.message.bytes"]),
            },
            "bindingVersion": "0.5.0",
        }


def kafka_channels(topology: Topology) -> list[Described]:
    """The topics that something outside lockstep writes or reads. Raises UndescribedTopic."""
    messages = {"ingest": _events(), "outcomes": _outcomes(), "dead-letters": _letters()}
    topics = {topic.name: topic for topic in topology.all_topics()}
    found = {name: spec for name, spec in topology.topics.items() if spec.edge is not None}
    if unknown := set(found) - set(messages):
        raise UndescribedTopic(f"no words for the topic {min(unknown)!r}")
    return [Described(name, spec, topics[name], messages[name]) for name, spec in found.items()]


def _message(title: str, about: str, headers: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    """`more`: payload and contentType."""
    return {
        "title": title,
        "summary": about,
        "headers": {"type": "object", "properties": headers, "required": required},
        "bindings": {"kafka": {"key": _KEY, "bindingVersion": "0.5.0"}},
        **more,
    }


def _events() -> dict[str, dict[str, Any]]:
    media = STRUCTURED + "+json"
    fields = [field for field in msgspec.structs.fields(contract.Event) if field.name not in _PAYLOAD]
    headers = {_header(field.name): _attribute(field.name) for field in fields}
    return {
        "structured-event": _message(
            "An event, structured", "The whole event is the value, one JSON object.",
            {"content-type": {"type": "string", "enum": [media]}}, ["content-type"],
            contentType=media, payload={"$ref": "#/components/schemas/Event"},
        ),
        "binary-event": _message(
            "An event, binary", "Attributes are headers, the value is the payload as it is.",
            headers, [_header(field.name) for field in fields if field.required],
            payload={"description": "Bytes of the type that `content-type` names, JSON if it names none."},
        ),
    }  # fmt: skip


def _header(attribute: str) -> str:
    return _NOT_CE.get(attribute, f"ce_{attribute}")


def _attribute(name: str) -> dict[str, Any]:
    """An attribute as a header: always text, and not there where it is not set."""
    schema: dict[str, Any] = msgspec.json.schema(contract.Event)["$defs"]["Event"]["properties"][name]
    options = schema.get("anyOf", [schema])
    return _NUMBER if any(one.get("type") == "integer" for one in options) else options[0]


def _outcomes() -> dict[str, dict[str, Any]]:
    batch = _message(
        "Outcomes of a batch", "MessagePack. Lists may grow at their end: pass over what you do not know.", {}, [],
        contentType="application/msgpack", payload={"$ref": "#/components/schemas/OutcomeBatch"},
    )  # fmt: skip
    batch["bindings"]["kafka"]["key"] = {**_KEY, "description": "The account of the first outcome, in UTF-8."}
    return {"outcome-batch": batch}


def _letters() -> dict[str, dict[str, Any]]:
    kinds = {
        "topic": _TEXT, "partition": _NUMBER, "offset": _NUMBER, "topic-id": _HEX,
        "reason": {"type": "string", "enum": list(REASONS)}, "detail": _TEXT, "left-out": _NUMBER,
        "done": _PLACE, "action": {"type": "string", "enum": list(ACTIONS)}, "placed": _PLACE,
    }  # fmt: skip
    letter = [name for name, _ in dead_letter(Origin("", 0, 0, "", "", left_out=1), ())]
    marker = [name for name, _ in done(Done(Identity(b"", 0, 0), "replayed", "0:0"))]
    made = {
        "dead-letter": _message(
            "A dead letter",
            "Key, value and headers are those of the record, whatever they are; these come last. `lockstep-left-out`: "
            "bytes that were too many to be carried, if there are any; the record itself has them.",
            {name: kinds[name.removeprefix(PREFIX)] for name in letter}, [name for name in letter if name != LEFT_OUT],
            payload={"description": "The value of the record, whatever it is; null where it had none, or is left out."},
        ),
        "dead-letter-marker": _message(
            "What was done to a dead letter",
            "No value, the key of the dead letter. `lockstep-placed`: where in `ingest` it lies now, if it does.",
            {name: kinds[name.removeprefix(PREFIX)] for name in marker},
            [name for name in marker if name != PREFIX + "placed"], payload={"type": "null"},
        ),
    }  # fmt: skip
    for message in made.values():
        message["bindings"]["kafka"]["key"] = {"description": "The key of the record, whatever it is."}
    return made
