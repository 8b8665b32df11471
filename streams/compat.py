"""Whether a changed JSON Schema still takes every value that the one before took. Pure.

It follows the keywords below and is careful with all others: what it cannot follow counts as narrower unless it is
the same. So what it lets pass is compatible; what it does not may be, and says where to look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Schema = dict[str, Any] | bool
_TYPES: Final = ("null", "boolean", "object", "array", "number", "integer", "string")
_PLAIN: Final = frozenset(_TYPES) - {"integer"}  # a whole number is a number too
_ABOUT: Final = frozenset(
    ("$schema", "$comment", "$defs", "title", "description", "default", "examples", "deprecated", "readOnly",
     "writeOnly")
)  # fmt: skip
_FOLLOWED: Final = frozenset(
    ("$ref", "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
     "minLength", "maxLength", "pattern", "format", "items", "prefixItems", "minItems", "maxItems", "uniqueItems",
     "properties", "required", "additionalProperties", "minProperties", "maxProperties")
)  # fmt: skip
#: Keywords that mean the same wherever they stand: harmless if they do not change and lead nowhere else.
_ALONE: Final = frozenset(
    ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames",
     "dependentRequired", "dependentSchemas", "contentEncoding", "contentMediaType", "contentSchema")
)  # fmt: skip
_LEAST: Final = (("minLength", "string", "shortest"), ("minItems", "array", "fewest items"),
                 ("minProperties", "object", "fewest members"))  # fmt: skip
_MOST: Final = (("maxLength", "string", "longest"), ("maxItems", "array", "most items"),
                ("maxProperties", "object", "most members"))  # fmt: skip


#: What an equal schema may still mean something else by: where it leads is in the document around it.
_LEADS_ON: Final = re.compile(r"'\$(ref|dynamicRef|recursiveRef)'")


class Narrowed(NamedTuple):
    """A place where a value that was good may not be any more; `path` is that of the value, `data.titles[]`."""

    path: str
    message: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.path}: {self.message}"


def narrowed(old: Schema, new: Schema, path: str = "data") -> list[Narrowed]:
    """Where `new` refuses what `old` took; nothing where every value that is valid under `old` is so under `new`."""
    before, after = (one if isinstance(one, bool) else {**one} for one in (old, new))
    for document in (before, after):
        if isinstance(document, dict):
            document.pop("$id", None)  # the name of the whole; one further in would change where references lead
    if _equal(before, after):
        return []
    return list(dict.fromkeys(_Comparison(before, after).schemas(before, after, path)))


class _Comparison:
    """Of two documents. Each holds what its references name."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._met: set[tuple[int, int]] = set()

    def schemas(self, old: Schema, new: Schema, path: str) -> Iterator[Narrowed]:
        """The value at the path: each keyword of `new` must follow from `old`."""
        if (id(old), id(new)) in self._met or (_equal(old, new) and not _leads_on(new)):
            return
        if isinstance(new, dict):  # a schema that holds itself asks the same further in
            self._met.add((id(old), id(new)))
        before, after = _target(self._old, old), _target(self._new, new)
        if before is None or after is None:
            yield Narrowed(path, "a `$ref` that is not alone, or leads elsewhere, cannot be compared")
        elif after is True or before is False:
            return
        elif after is False:
            yield Narrowed(path, "nothing is allowed here any more")
        else:
            yield from self._keywords({} if before is True else before, after, path)

    def _keywords(self, old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Narrowed]:
        kinds = _kinds(old)
        yield from _others(old, new, path)
        yield from _types(kinds, new, path)
        yield from _values(old, new, path)
        if kinds & {"number", "integer"}:
            yield from _numbers(old, new, kinds, path)
        yield from _sizes(old, new, kinds, path)
        if "string" in kinds:
            yield from _same(("pattern", "format"), old, new, path)
        if "array" in kinds:
            yield from _same(("uniqueItems",), {"uniqueItems": False, **old}, {"uniqueItems": False, **new}, path)
            yield from self._items(old, new, path)
        if "object" in kinds:
            yield from self._members(old, new, path)

    def _items(self, old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Narrowed]:
        first, then = old.get("prefixItems", []), new.get("prefixItems", [])
        rest = old.get("items", True), new.get("items", True)
        for place in range(max(len(first), len(then))):
            one = first[place] if place < len(first) else rest[0]
            other = then[place] if place < len(then) else rest[1]
            yield from self.schemas(one, other, f"{path}[{place}]")
        yield from self.schemas(*rest, f"{path}[]")

    def _members(self, old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Narrowed]:
        for name in new.get("required", []):
            if name not in old.get("required", []):
                yield Narrowed(f"{path}.{name}", "is required now; old events need not have it")
        before, after = old.get("properties", {}), new.get("properties", {})
        rest = old.get("additionalProperties", True), new.get("additionalProperties", True)
        for name in {**before, **after}:
            found = list(self.schemas(before.get(name, rest[0]), after.get(name, rest[1]), f"{path}.{name}"))
            if found and name not in before:
                yield Narrowed(f"{path}.{name}", "is new, old events may have it with any value; "
                               "additionalProperties: false lets members be added")  # fmt: skip
            elif found and name not in after and rest[1] is False:
                yield Narrowed(f"{path}.{name}", "is not allowed any more")
            else:
                yield from found
        if rest[1] is False and rest[0] is not False:
            yield Narrowed(path, "additionalProperties is closed; old events may have other members")
        else:
            yield from self.schemas(*rest, f"{path}.*")


def _target(document: Schema, schema: Schema) -> Schema | None:
    """What a schema says, its references followed; None where they cannot be."""
    for _ in range(32):
        if isinstance(schema, bool) or "$ref" not in schema:
            return schema
        reference = schema["$ref"]
        if set(schema) - _ABOUT - {"$ref"} or isinstance(document, bool):
            return None
        name = str(reference).removeprefix("#/$defs/")
        schema = document if reference == "#" else document.get("$defs", {}).get(name)
        if schema is None or "/" in name or "~" in name or "%" in name:
            return None
    return None


def _others(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Narrowed]:
    """Keywords that are not followed."""
    known = _ABOUT | _FOLLOWED
    # members of some names are not what additionalProperties says; a name of its own changes where references lead
    careful = {"patternProperties", "$id"} & old.keys()
    before = {key: old[key] for key in old.keys() & _ALONE}
    after = {key: new[key] for key in new.keys() & _ALONE}
    if after and (not _equal(before, after) or _leads_on(after)):
        careful |= after.keys()
    careful |= {key for key in new.keys() - known - _ALONE if not key.startswith("x-")}
    for key in sorted(careful):
        yield Narrowed(path, f"{key} cannot be compared")


def _leads_on(schema: Schema) -> bool:
    return _LEADS_ON.search(str(schema)) is not None


def _kinds(schema: dict[str, Any]) -> frozenset[str]:
    """The types that values may have."""
    if "const" in schema or "enum" in schema:
        return frozenset(map(_kind, [schema["const"]] if "const" in schema else schema["enum"]))
    named = schema.get("type", _PLAIN)
    return frozenset([named] if isinstance(named, str) else named)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) or value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _types(kinds: frozenset[str], new: dict[str, Any], path: str) -> Iterator[Narrowed]:
    if "type" in new:
        allowed = _kinds({"type": new["type"]})
        for kind in sorted(kinds - allowed):
            if kind != "integer" or "number" not in allowed:
                yield Narrowed(path, f"{kind} is not allowed any more")


def _values(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Narrowed]:
    """Those that alone are allowed."""
    before = [old["const"]] if "const" in old else old.get("enum")
    for after in ([new["const"]] if "const" in new else None, new.get("enum")):
        if after is None:
            continue
        if before is None:
            yield Narrowed(path, "only some values are allowed now")
            continue
        for value in before:
            if not any(_equal(value, other) for other in after):
                yield Narrowed(path, f"the value {json.dumps(value)} is not allowed any more")


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON: true is not 1, though 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _numbers(old: dict[str, Any], new: dict[str, Any], kinds: frozenset[str], path: str) -> Iterator[Narrowed]:
    for least, open_, sign, word in (
        ("minimum", "exclusiveMinimum", 1, "least"),
        ("maximum", "exclusiveMaximum", -1, "most"),
    ):
        after, before = _bound(new, least, open_, sign), _bound(old, least, open_, sign)
        if after is not None and (before is None or before < after):
            yield Narrowed(path, f"the {word} value is {sign * after[0]} now{' and excluded' if after[1] else ''}")
    if "multipleOf" in new and not _is_multiple(old, new["multipleOf"], kinds):
        yield Narrowed(path, f"only multiples of {new['multipleOf']} are allowed now")


def _bound(schema: dict[str, Any], closed: str, open_: str, sign: int) -> tuple[Any, bool] | None:
    """The stricter bound, as (value times sign, whether it is excluded): the larger, the stricter."""
    found = [(sign * schema[key], key == open_) for key in (closed, open_) if key in schema]
    return max(found, default=None)


def _is_multiple(old: dict[str, Any], factor: float, kinds: frozenset[str]) -> bool:
    if "multipleOf" in old:
        before = old["multipleOf"]
        whole = isinstance(before, int) and isinstance(factor, int)
        return bool(before == factor or (whole and before % factor == 0))
    return factor == 1 and "number" not in kinds


def _sizes(old: dict[str, Any], new: dict[str, Any], kinds: frozenset[str], path: str) -> Iterator[Narrowed]:
    for key, kind, word in _LEAST:
        if kind in kinds and new.get(key, 0) > old.get(key, 0):
            yield Narrowed(path, f"the {word} is {new[key]} now, {old.get(key, 0)} before")
    for key, kind, word in _MOST:
        if kind in kinds and key in new and (key not in old or new[key] < old[key]):
            yield Narrowed(path, f"the {word} is {new[key]} now, {old.get(key, 'without limit')} before")


def _same(keys: tuple[str, ...], old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Narrowed]:
    """Keywords that may be taken away, and not changed."""
    for key in keys:
        if new.get(key) not in (None, False, old.get(key)):
            yield Narrowed(path, f"{key} is {json.dumps(new[key])} now, {json.dumps(old.get(key))} before")
