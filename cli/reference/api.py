"""docs/api.md, from the OpenAPI document of the server."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.reference.examples import answer_of, call_of
from cli.reference.markdown import link, table
from cli.reference.values import Schema, values_of, without_null
from service.app import create_app
from service.errors import ServiceError
from service.settings import Settings

_INTRODUCTION = """\
# The API

*`scripts/docs` writes this page from the server's OpenAPI document, which it answers itself at `/openapi.json`, and for
people at `/docs`. What the words mean and what goes with what: [the HTTP interface](http.md).*

Where the server asks for keys ([security](security.md)), a route names the scope that it needs; a key is sent as
`Authorization: Bearer KEY` or `X-API-Key: KEY`. The numbers in examples are examples.
"""
_PROBLEMS = """\
## Problems
Errors are RFC 9457 `application/problem+json`; `type` is `urn:eabs:problem:` and one of these words, and `detail` names
what was expected and what came. Below /v2 an error is `{"error": "<detail>"}` with the same statuses, as the Open
Inference Protocol has it. 429 and 503 say in `Retry-After`, in s, when to try again.
"""
_OBJECTS = "## Objects\nWhat answers are made of. Text, true or false: JSON's own strings and booleans.\n"
_KEYS = {"any": "any scope"}


def api_page() -> str:
    """The page, as Markdown. It loads no model, and nothing of the environment changes it."""
    document = create_app(Settings.model_construct(cache_dir=Path("none"))).openapi()
    parts = [_INTRODUCTION, *_routes(document), _problems(), *_objects(document["components"]["schemas"])]
    return "\n".join(parts).rstrip("\n") + "\n"


def _routes(document: Schema) -> Iterator[str]:
    objects: Mapping[str, Schema] = document["components"]["schemas"]
    bodies: dict[str, str] = {}
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            text = _route(method, path, operation, objects, bodies)
            by_tag.setdefault(operation["tags"][0], []).append(text)
    for tag, routes in by_tag.items():
        yield f"## {tag.title()}\n"
        yield from routes


def _route(method: str, path: str, operation: Schema, objects: Mapping[str, Schema], bodies: dict[str, str]) -> str:
    heading = f"{method.upper()} {path}"
    scope = operation.get("x-scope")
    key = f"a key of {_KEYS.get(scope, f'the scope `{scope}`')}" if scope else "no key"
    parts = [f"### {heading}\n{operation['summary']}; needs {key}. {' '.join(operation['description'].split())}"]
    if parameters := operation.get("parameters"):
        parts.append(table(("parameter", "values", "default", "what it is"), map(_parameter, parameters)))
    if body := operation.get("requestBody"):
        # Several routes take the same body; it is told once.
        first = bodies.setdefault(json.dumps(body), heading)
        parts.append(_body(body) if first == heading else f"Body: as that of {link(first)}.")
    parts.append(f"{_answer(operation)}{_refusals(operation)}")
    call, answer = call_of(method, path, operation), answer_of(operation, objects)
    parts.append("\n".join(filter(None, ("```console", call, answer, "```"))))
    return "\n\n".join(parts) + "\n"


def _parameter(parameter: Schema) -> tuple[str, ...]:
    schema = without_null(parameter["schema"])
    place = "" if parameter["in"] == "query" else f" ({parameter['in']})"
    default = _default(schema, required=parameter.get("required", False))
    return f"`{parameter['name']}`{place}", values_of(schema), default, parameter.get("description", "")


def _body(body: Schema) -> str:
    by_form: dict[str, list[str]] = {}
    for media_type, content in body["content"].items():
        schema = content["schema"]
        form = table(("field", "values", "default", "what it is"), _fields(schema)) if "properties" in schema else ""
        by_form.setdefault(f"\n\n{form}" if form else f" {values_of(schema)}", []).append(f"`{media_type}`")
    word = "Body" if body.get("required") else "Body, which may be left out,"
    return "\n\n".join(f"{word} {', '.join(types)}:{form}" for form, types in by_form.items())


def _fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, ...]]:
    """The rows of an object's fields, and of those of objects within it that have no name of their own."""
    for name, field in schema["properties"].items():
        inner = without_null(field)
        default = _default(inner, required=name in schema.get("required", ()))
        yield f"`{prefix}{name}`", values_of(field), default, field.get("description", "")
        within = f"{prefix}{name}{'[]' * ('items' in inner)}."
        item = without_null(inner.get("items", inner))
        for part in item.get("anyOf", [item]):
            if "properties" in part:
                yield from _fields(part, within)


def _default(schema: Schema, *, required: bool) -> str:
    if required:
        return "required"
    value = schema.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`".replace('"', "")


def _answer(operation: Schema) -> str:
    content = operation["responses"]["200"].get("content", {})
    forms = [
        values_of(answer["schema"]) if kind == "application/json" else f"`{kind}`" for kind, answer in content.items()
    ]
    return f"Answer: {' or '.join(forms) or 'empty'}."


def _refusals(operation: Schema) -> str:
    kinds = {
        status: re.findall(r"`([a-z-]+)`:", answer["description"])
        for status, answer in sorted(operation["responses"].items())
        if int(status) >= 400
    }
    found = "; ".join(f"{status} {', '.join(f'`{kind}`' for kind in of_status)}" for status, of_status in kinds.items())
    return f" {link('Problems')}: {found}." if found else ""


def _problems() -> str:
    found = sorted(_kinds(ServiceError), key=lambda kind: (kind.status, kind.kind))
    rows = [
        (f"`{kind.kind}`", str(kind.status), kind.title, " ".join((inspect.getdoc(kind) or "").split()))
        for kind in found
    ]
    return f"{_PROBLEMS}\n{table(('type', 'status', 'title', 'when'), rows)}\n"


def _kinds(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    if "title" in vars(kind):
        yield kind
    for further in kind.__subclasses__():
        yield from _kinds(further)


def _objects(objects: Mapping[str, Schema]) -> Iterator[str]:
    yield _OBJECTS
    for name, schema in sorted(objects.items()):
        rows = [(field, values, meaning) for field, values, _, meaning in _fields(schema)]
        said = " ".join(schema.get("description", "").split())
        yield f"### {name}\n{said}\n\n{table(('field', 'values', 'what it is'), rows)}\n"
