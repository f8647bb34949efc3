"""A JSON schema in words: which values there are."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.reference.markdown import link

Schema = Mapping[str, Any]

_NULL = {"type": "null"}
_TYPES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
    None: "anything",
}
_FORMATS = {"binary": "bytes", "path": "path"}


def without_null(schema: Schema) -> Schema:
    """The schema of what may also be absent, when it is there."""
    parts = [part for part in schema.get("anyOf", ()) if part != _NULL]
    return {**parts[0], **{key: schema[key] for key in schema if key != "anyOf"}} if len(parts) == 1 else schema


def values_of(schema: Schema) -> str:
    """Which values a schema allows; objects that have a name are links to their headings."""
    if "$ref" in schema:
        return link(name_of(schema))
    parts = schema.get("anyOf") or schema.get("oneOf") or [schema]
    if all(part.keys() & {"const", "enum"} for part in parts):
        return _or([f"`{value}`" for part in parts for value in part.get("enum", [part.get("const")])])
    if len(parts) > 1:
        return _or(list(dict.fromkeys(values_of(part) for part in parts)))
    if schema.get("type") == "array":
        return _array(schema)
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {values_of(schema['additionalProperties'])}"
    return _FORMATS.get(schema.get("format", ""), _TYPES[schema.get("type")]) + _bounds(schema)


def name_of(reference: Schema) -> str:
    """The name of the object that a `$ref` leads to."""
    return str(reference["$ref"]).rpartition("/")[2]


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(values_of(item) for item in schema['prefixItems'])}]"
    items = values_of(schema.get("items", {}))
    return {"anything": "list", "object": "list of objects"}.get(items, f"list of {items}")


def _bounds(schema: Schema) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    signs = (("≥", low), (">", above), ("≤", high), ("<", below))
    return "".join(f", {sign} {_number(bound)}" for sign, bound in signs if bound is not None)


def _number(value: float) -> str:
    return f"{value:g}" if value < 10**6 else str(value)


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
