"""Plain data into typed objects, with every mistake and its path rather than the first alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from streams.document import Path

T = TypeVar("T")


class Mistake(NamedTuple):
    """What is wrong with the value at a path."""

    path: Path
    message: str


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`no lane 'norml' (did you mean 'normal'?)`."""
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"no {what} {name!r}{hint}"


def conform(data: Any, wanted: type[T]) -> T | list[Mistake]:
    """An object of the type, or all that is wrong with the data."""
    mistakes = list(_mistakes(data, wanted, ()))
    return mistakes or msgspec.convert(data, wanted)


def _mistakes(value: Any, wanted: Any, path: Path) -> Iterator[Mistake]:
    """The innermost mistakes; the value's own where nothing in it is wrong."""
    wanted = _choice(value, wanted)
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        inner = list(_inner(value, wanted, path))
        yield from inner or [Mistake(path, _explain(value, wanted, error))]


def _inner(value: Any, wanted: Any, path: Path) -> Iterator[Mistake]:
    bare = _bare(wanted)
    origin, arguments = get_origin(bare), get_args(bare)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct) and isinstance(value, dict):
        yield from _fields(value, bare, path)
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from _mistakes(key, arguments[0], (*path, key))
            yield from _mistakes(item, arguments[1], (*path, key))
    elif origin is tuple and isinstance(value, list):
        for place, item in enumerate(value):
            yield from _mistakes(item, arguments[0], (*path, place))


def _choice(value: Any, wanted: Any) -> Any:
    """What a mapping or text must be where there is a choice: the one option of its kind."""
    options = get_args(wanted) if isinstance(wanted, UnionType) or get_origin(wanted) is Union else ()
    kind = msgspec.Struct if isinstance(value, dict) else type(value)
    return next((o for o in options if isinstance(_bare(o), type) and issubclass(_bare(o), kind)), wanted)


def _bare(wanted: Any) -> Any:
    return get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted


def _fields(value: dict[str, Any], struct: type[msgspec.Struct], path: Path) -> Iterator[Mistake]:
    types = get_type_hints(struct, include_extras=True)
    names = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        if key in names:
            yield from _mistakes(item, types[names[key]], (*path, key))
        else:
            yield Mistake((*path, key), unknown("setting", key, names))
    for field in msgspec.structs.fields(struct):
        if field.required and field.encode_name not in value:
            yield Mistake(path, f"{field.encode_name!r} is missing")


def _explain(value: Any, wanted: Any, error: msgspec.ValidationError) -> str:
    for meta in get_args(wanted)[1:] if get_origin(wanted) is Annotated else ():
        if isinstance(value, str) and meta.description:
            return f"{value!r} is not {meta.description}"
    choices = [choice for literal in _literals(wanted) for choice in get_args(literal)]
    if choices and isinstance(value, str | int):
        return f"{value!r} is none of {', '.join(map(repr, choices))}"
    return str(error).replace("`", "").replace("Expected", "expected")


def _literals(wanted: Any) -> list[Any]:
    options = (wanted, *get_args(wanted))
    return [option for option in options if get_origin(option) is Literal]
