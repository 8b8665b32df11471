"""Values that a JSON Schema allows, as far as the chart's schema goes; it uses no word that is not here."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

Schema = dict[str, Any]
_WORDS: Final = frozenset({
    "type", "enum", "properties", "additionalProperties", "propertyNames", "items", "pattern", "minimum", "maximum",
    "exclusiveMinimum", "minLength", "maxLength", "required", "$ref", "description", "default",
})  # fmt: skip
_TEXT: Final = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


def allowed(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    """What the schema allows. Raises ValueError for a word that is not known here."""
    if "$ref" in schema:
        return allowed(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if unknown := set(schema) - _WORDS:
        raise ValueError(f"unknown words in a schema: {unknown}")
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            return _object(schema, definitions)
        case "array":
            return st.lists(allowed(schema["items"], definitions), max_size=2)
        case "string":
            return _string(schema)
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            return st.floats(
                low, schema.get("maximum"), exclude_min="exclusiveMinimum" in schema, allow_subnormal=False
            )
        case "boolean":
            return st.booleans()
    return st.none() if schema.get("type") == "null" else st.just("anything")


def _object(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    fields = {name: allowed(inner, definitions) for name, inner in schema.get("properties", {}).items()}
    needed = set(schema.get("required", ()))
    known = st.fixed_dictionaries(
        {name: each for name, each in fields.items() if name in needed},
        optional={name: each for name, each in fields.items() if name not in needed},
    )
    more = schema.get("additionalProperties")
    if not isinstance(more, dict):
        return known
    names = _string(schema.get("propertyNames", {}))
    return st.dictionaries(names, allowed(more, definitions), max_size=2)


def _string(schema: Schema) -> st.SearchStrategy[str]:
    longest = schema.get("maxLength", 40)
    if "pattern" in schema:
        pattern = schema["pattern"].removesuffix("$")
        ascii_only = st.characters(min_codepoint=33, max_codepoint=126)
        return st.from_regex(pattern, fullmatch=True, alphabet=ascii_only).filter(lambda text: len(text) <= longest)
    return _TEXT.filter(lambda text: schema.get("minLength", 0) <= len(text) <= longest)
