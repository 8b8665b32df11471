"""Whether a changed schema takes all that the one before took: each keyword, and whatever schemas chance makes."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from streams.compat import narrowed

Schema = Any
NAMES = ("a", "b", "c")
OPEN: dict[str, Any] = {"type": "object", "properties": {"plan": {"type": "string"}}}
PLAN: dict[str, Any] = {**OPEN, "required": ["plan"], "additionalProperties": False}
NODE: dict[str, Any] = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
TREE: dict[str, Any] = {"$ref": "#/$defs/node", "$defs": {"node": NODE}}


def of(schema: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A schema with other keywords; None takes one away."""
    return {key: value for key, value in {**schema, **changes}.items() if value is not None}


def member(**schema: Any) -> dict[str, Any]:
    """PLAN with another schema of `plan`."""
    return of(PLAN, properties={"plan": schema})


WIDER: list[tuple[Schema, Schema]] = [
    (PLAN, PLAN),
    (PLAN, True),
    (False, PLAN),
    (PLAN, {}),
    (PLAN, of(PLAN, title="Plans", description="of a member", examples=[{"plan": "basic"}])),
    ({"$id": "urn:one", **PLAN}, {"$id": "urn:two", **PLAN, "x-owner": "billing"}),
    (PLAN, of(PLAN, required=None)),
    (PLAN, of(PLAN, properties={**PLAN["properties"], "since": {"type": "string"}})),
    (PLAN, of(PLAN, additionalProperties=None)),
    (PLAN, of(PLAN, additionalProperties=None, properties={})),
    (PLAN, member(type=["string", "null"])),
    (member(type="integer"), member(type="number")),
    (member(enum=["a"]), member(enum=["b", "a"])),
    (member(const="a"), member(enum=["b", "a"])),
    (member(const=1), member(const=1.0)),
    (member(enum=["a", 1, 2.5, None, True, [1], {"b": 1}]),
     member(type=["string", "number", "null", "boolean", "array", "object"])),
    (member(enum=[[1, {"a": None}]]), member(enum=[[1, {"a": None}], 7])),
    (member(minimum=1, maximum=9), member(minimum=0, maximum=10)),
    (member(minimum=1), member(exclusiveMinimum=0)),
    (member(exclusiveMaximum=9), member(maximum=9)),
    (member(multipleOf=6), member(multipleOf=3)),
    (member(multipleOf=0.5), member(multipleOf=0.5)),
    (member(type="integer"), member(type="integer", multipleOf=1)),
    (member(type="integer"), member(minLength=3, required=["a"], minItems=3, pattern="x", format="date")),
    (member(type="string", minLength=2, maxLength=5), member(type="string", minLength=1, maxLength=6)),
    (member(pattern="^a", format="date"), member(pattern="^a")),
    (member(uniqueItems=True), member(uniqueItems=False)),
    (member(items={"type": "integer"}), member(items={"type": "number"})),
    (member(prefixItems=[{"type": "integer"}], items=False), member(items={"type": "number"})),
    (member(prefixItems=[{"type": "integer"}], items={"type": "null"}), member(prefixItems=[{"type": "number"}, {}])),
    (of(OPEN, additionalProperties={"type": "integer"}), of(OPEN, additionalProperties={"type": "number"})),
    (TREE, copy.deepcopy(TREE)),
    (TREE, {**TREE, "$defs": {"node": {**NODE, "type": ["object", "null"]}}}),
    ({"$ref": "#/$defs/node", "$defs": {"node": PLAN}}, PLAN),
    ({"properties": {"x": {"$ref": "#"}}}, {"properties": {"x": {"$ref": "#"}}, "title": "itself"}),
    (member(anyOf=[PLAN, {"type": "null"}]), of(member(anyOf=[PLAN, {"type": "null"}]), required=None)),
    (member(**{"not": {"type": "null"}}), member()),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), WIDER)
def test_a_wider_schema_is_compatible(old: Schema, new: Schema) -> None:
    """Nothing is said of it."""
    assert narrowed(old, new) == []


NARROWER: list[tuple[Schema, Schema, str]] = [
    (PLAN, False, "data: nothing is allowed here any more"),
    (True, PLAN, "data.plan: is required now; old events need not have it"),
    (OPEN, of(OPEN, required=["plan"]), "data.plan: is required now; old events need not have it"),
    (OPEN, of(OPEN, additionalProperties=False),
     "data: additionalProperties is closed; old events may have other members"),
    (OPEN, of(OPEN, properties={**OPEN["properties"], "since": {"type": "string"}}),
     "data.since: is new, old events may have it with any value; additionalProperties: false lets members be added"),
    (PLAN, of(PLAN, properties={}, required=None), "data.plan: is not allowed any more"),
    (PLAN, of(PLAN, properties={}, required=None, additionalProperties={"type": "null"}),
     "data.plan: string is not allowed any more"),
    (of(OPEN, additionalProperties={"type": "number"}), of(OPEN, additionalProperties={"type": "integer"}),
     "data.*: number is not allowed any more"),
    (PLAN, member(type="integer"), "data.plan: string is not allowed any more"),
    (member(), member(type="integer"), "data.plan: number is not allowed any more"),
    (member(type="number"), member(type="integer"), "data.plan: number is not allowed any more"),
    (member(type=["string", "null"]), PLAN, "data.plan: null is not allowed any more"),
    (member(enum=["a", "b"]), member(enum=["a"]), 'data.plan: the value "b" is not allowed any more'),
    (member(const=True), member(const=1), "data.plan: the value true is not allowed any more"),
    (member(enum=[[1]]), member(enum=[[1, 2], [True]]), "data.plan: the value [1] is not allowed any more"),
    (member(enum=[{"a": 1}]), member(enum=[{"b": 1}]), 'data.plan: the value {"a": 1} is not allowed any more'),
    (PLAN, member(type="string", enum=["a"]), "data.plan: only some values are allowed now"),
    (member(const="a"), member(const="a", enum=["b"]), 'data.plan: the value "a" is not allowed any more'),
    (member(minimum=1), member(minimum=2), "data.plan: the least value is 2 now"),
    (member(maximum=9), member(exclusiveMaximum=9), "data.plan: the most value is 9 now and excluded"),
    (member(), member(multipleOf=2), "data.plan: only multiples of 2 are allowed now"),
    (member(multipleOf=3), member(multipleOf=2), "data.plan: only multiples of 2 are allowed now"),
    (member(multipleOf=0.3), member(multipleOf=0.1), "data.plan: only multiples of 0.1 are allowed now"),
    (PLAN, member(type="string", minLength=1), "data.plan: the shortest is 1 now, 0 before"),
    (member(maxItems=4), member(maxItems=3), "data.plan: the most items is 3 now, 4 before"),
    (member(), member(maxProperties=3), "data.plan: the most members is 3 now, without limit before"),
    (PLAN, member(type="string", pattern="^a"), 'data.plan: pattern is "^a" now, null before'),
    (member(format="date"), member(format="date-time"), 'data.plan: format is "date-time" now, "date" before'),
    (member(), member(uniqueItems=True), "data.plan: uniqueItems is true now, false before"),
    (member(items=True), member(items={"type": "string"}), "data.plan[]: array is not allowed any more"),
    (member(items={}), member(prefixItems=[False]), "data.plan[0]: nothing is allowed here any more"),
    (TREE, {**TREE, "$defs": {"node": {"type": "object", "properties": {"next": {"type": "null"}}}}},
     "data.next: object is not allowed any more"),
    (PLAN, {"$ref": "#/$defs/no"}, "data: a `$ref` that is not alone, or leads elsewhere, cannot be compared"),
    (PLAN, {"$ref": "#", "type": "object"}, "data: a `$ref` that is not alone, or leads elsewhere, cannot be compared"),
    (PLAN, {"$ref": "#"}, "data: a `$ref` that is not alone, or leads elsewhere, cannot be compared"),
    (member(), member(anyOf=[{"type": "string"}]), "data.plan: anyOf cannot be compared"),
    (member(allOf=[{"$ref": "#/$defs/x"}]), of(member(allOf=[{"$ref": "#/$defs/x"}]), **{"$defs": {"x": False}}),
     "data.plan: allOf cannot be compared"),
    (member(patternProperties={"^a": {}}), member(patternProperties={"^b": {}}),
     "data.plan: patternProperties cannot be compared"),
    (member(), member(unevaluatedProperties=False), "data.plan: unevaluatedProperties cannot be compared"),
    ({"properties": {"p": {"$id": "urn:x"}}}, {"properties": {"p": {"title": "x"}}}, "data.p: $id cannot be compared"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line"), NARROWER)
def test_a_narrower_schema_is_told(old: Schema, new: Schema, line: str) -> None:
    """With the place of the value, and what is not allowed there any more."""
    assert line in list(map(str, narrowed(old, new)))


# -- whatever schemas there are


def some(chance: random.Random, depth: int = 2) -> Schema:
    """A schema of the keywords that the comparison follows, and of some that it does not."""
    if depth < 0 or chance.random() < 0.1:
        return chance.random() < 0.7
    schema: dict[str, Any] = {}
    for key, make in KEYWORDS.items():
        if chance.random() < 0.12:
            schema[key] = make(chance, depth)
    if chance.random() < 0.6:
        schema["type"] = chance.choice(("object", "object", "array", "integer", "string", ["number", "null"]))
    if chance.random() < 0.12:
        schema = {"$ref": chance.choice(("#", "#/$defs/x"))}
    return schema


def several(chance: random.Random, depth: int) -> dict[str, Schema]:
    """Schemas of members."""
    return {name: some(chance, depth - 1) for name in NAMES if chance.random() < 0.6}


def value(chance: random.Random, depth: int = 2) -> Any:
    """Any JSON value, a small one so that schemas meet it."""
    plain = (None, True, False, 0, 1, 2, 3, 1.0, 2.5, -1, "", "a", "ab", "abc", "2026-01-01")
    if depth and chance.random() < 0.5:
        if chance.random() < 0.6:
            return {name: value(chance, depth - 1) for name in NAMES if chance.random() < 0.5}
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return chance.choice(plain)


KEYWORDS: dict[str, Any] = {
    "enum": lambda chance, depth: [value(chance, 1) for _ in range(chance.randint(1, 4))],
    "const": lambda chance, depth: value(chance, 1),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), lambda c, d: c.randint(-1, 3)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
                    lambda c, d: c.randint(0, 3)),
    "multipleOf": lambda chance, depth: chance.choice((1, 2, 3, 0.5)),
    "pattern": lambda chance, depth: chance.choice(("^a", "b")),
    "format": lambda chance, depth: chance.choice(("date", "time")),
    "uniqueItems": lambda chance, depth: chance.random() < 0.7,
    "items": lambda chance, depth: some(chance, depth - 1),
    "prefixItems": lambda chance, depth: [some(chance, depth - 1) for _ in range(chance.randint(1, 2))],
    "properties": several,
    "patternProperties": lambda chance, depth: {"^a": some(chance, depth - 1)},
    "required": lambda chance, depth: sorted(name for name in NAMES if chance.random() < 0.4),
    "additionalProperties": lambda chance, depth: some(chance, depth - 1),
    "propertyNames": lambda chance, depth: {"maxLength": 1},
    "anyOf": lambda chance, depth: [some(chance, depth - 1) for _ in range(2)],
    "not": lambda chance, depth: some(chance, depth - 1),
}  # fmt: skip


def changed(schema: Schema, chance: random.Random) -> Schema:
    """The schema with a few keywords taken away, added or made anew, anywhere in it."""
    if isinstance(schema, bool) or chance.random() < 0.1:
        return schema if chance.random() < 0.7 else some(chance, 1)
    made: dict[str, Any] = {}
    for key, what in schema.items():
        if chance.random() < 0.1:
            continue
        if key in ("properties", "$defs"):
            made[key] = {name: changed(one, chance) for name, one in what.items() if chance.random() < 0.9}
        elif key in ("items", "additionalProperties"):
            made[key] = changed(what, chance)
        elif key in KEYWORDS and chance.random() < 0.15:
            made[key] = KEYWORDS[key](chance, 1)
        elif isinstance(what, list) and what and chance.random() < 0.2:
            made[key] = [*what, value(chance, 0)] if key == "enum" else what
        else:
            made[key] = what
    return made


def fitting(schema: Schema, document: Schema, chance: random.Random, depth: int = 4) -> Any:
    """A value that has good prospects under a schema."""
    if isinstance(schema, bool) or depth == 0:
        return value(chance, 1)
    if "$ref" in schema:
        inner = document if schema["$ref"] == "#" else document.get("$defs", {}).get("x", True)
        return fitting(inner, document, chance, depth - 1)
    if "enum" in schema or "const" in schema:
        return chance.choice(schema.get("enum") or [schema["const"]])
    kind = schema.get("type", chance.choice(("object", "array", "string", "number")))
    if kind == "object":
        rest = schema.get("additionalProperties", True)
        names = [name for name in NAMES if name in schema.get("required", ()) or chance.random() < 0.5]
        return {
            name: fitting(schema.get("properties", {}).get(name, rest), document, chance, depth - 1) for name in names
        }
    if kind == "array":
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        size = max(schema.get("minItems", 0), chance.randint(0, 3))
        return [fitting(first[at] if at < len(first) else rest, document, chance, depth - 1) for at in range(size)]
    if kind == "string":
        return chance.choice(("", "a", "ab", "abc", "b", "2026-01-01"))
    return chance.choice((0, 1, 2, 3, 1.0, 2.5, -1, None))


def pair(chance: random.Random) -> tuple[Schema, Schema]:
    """A schema, and what may come after it."""
    old = some(chance, 3)
    if isinstance(old, dict):
        old["$defs"] = {"x": some(chance, 1)}
    return old, changed(copy.deepcopy(old), chance)


def counterexample(old: Schema, new: Schema, chance: random.Random, tries: int) -> Any:
    """A value that is good under `old` and not under `new`, if one is found."""
    try:
        before, after = (Draft202012Validator(one, offline=True, validate_formats=True) for one in (old, new))
    except ValueError:  # a reference without an end
        return None
    for _ in range(tries):
        found = fitting(old, old, chance) if chance.random() < 0.7 else value(chance)
        if before.is_valid(found) and not after.is_valid(found):
            return [found]
    return None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**64))
def test_what_is_let_pass_takes_every_old_value(seed: int) -> None:
    """Judged by an independent validator."""
    chance = random.Random(seed)
    old, new = pair(chance)
    if not narrowed(old, new):
        assert counterexample(old, new, chance, 30) is None
