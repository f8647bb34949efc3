"""Examples for people, out of the OpenAPI document: a call and its answer."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cli.reference.values import Schema, name_of

URL = "http://127.0.0.1:8000"
_IMAGE, _IMAGE_TYPE = "docs/examples/mnist-7-a.png", "image/png"
_WIDTH = 110


def call_of(method: str, path: str, operation: Schema) -> str:
    """The call, with curl: path and query parameters that have an example, a body where one is required."""
    parameters = {
        (place := parameter["in"], parameter["name"]): examples[0]
        for parameter in operation.get("parameters", ())
        if (examples := parameter["schema"].get("examples") or parameter.get("examples"))
    }
    for (place, name), value in parameters.items():
        path = path.replace(f"{{{name}}}", str(value)) if place == "path" else path
    query = "&".join(f"{name}={value}" for (place, name), value in parameters.items() if place == "query")
    words = ["curl", *_key(operation), *_body(method, operation), f"{URL}{path}{'?' * bool(query)}{query}"]
    return "$ " + shlex.join(words)


def answer_of(operation: Schema, objects: Mapping[str, Schema]) -> str | None:
    """The answer that the document shows, or one that its schema describes; None where it is empty."""
    content = operation["responses"]["200"].get("content", {})
    for media_type, answer in content.items():
        example = _shown(answer)
        if example is None and media_type == "application/json":
            example = sample(answer["schema"], objects)
        if example is not None:
            return example.rstrip("\n") if isinstance(example, str) else laid_out(example)
    return None


def sample(schema: Schema, objects: Mapping[str, Schema]) -> Any:
    """A value that the schema describes, from its own examples or those of its fields.

    Raises:
        LookupError: a field that no example, default or constant is given for.
    """
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if "$ref" in schema:
        return sample(objects[name_of(schema)], objects)
    if schema.get("type") == "array":
        return [sample(schema["items"], objects)]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], objects)
    if "properties" in schema:
        return {name: sample(field, objects) for name, field in schema["properties"].items()}
    raise LookupError(f"{schema.get('title')}: expected an example, got none")


def laid_out(value: Any, indent: str = "") -> str:
    """JSON in which whatever fits on a line stands on one."""
    flat = json.dumps(value)
    if len(indent) + len(flat) <= _WIDTH or not isinstance(value, list | dict) or not value:
        return flat
    inner = indent + "  "
    lines = ",\n".join(f"{inner}{part}" for part in _parts(value, inner))
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return f"{opening}\n{lines}\n{indent}{closing}"


def _parts(value: list[Any] | dict[str, Any], indent: str) -> Iterator[str]:
    if isinstance(value, list):
        yield from (laid_out(item, indent) for item in value)
    else:
        yield from (f"{json.dumps(key)}: {laid_out(item, indent)}" for key, item in value.items())


def _shown(content: Schema) -> Any:
    if "example" in content:
        return content["example"]
    return next((example["value"] for example in content.get("examples", {}).values()), None)


def _key(operation: Schema) -> list[str]:
    # Where nobody may without a key, the example shows one.
    return ["-H", "X-API-Key: eabs_..."] if operation.get("x-scope") == "admin" else []


def _body(method: str, operation: Schema) -> list[str]:
    body = operation.get("requestBody", {})
    content = body.get("content", {})
    if _IMAGE_TYPE in content:
        return ["-H", f"Content-Type: {_IMAGE_TYPE}", "--data-binary", f"@{_IMAGE}"]
    if body.get("required"):
        return ["-H", "Content-Type: application/json", "-d", json.dumps(_shown(content["application/json"]))]
    return [] if method == "get" else ["-X", method.upper()]
