"""Bodies that are read by hand, as the OpenAPI document has them."""

from typing import Any

from pydantic import BaseModel


def inline_schema(form: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a form with what it refers to in its place: `$defs` within an OpenAPI document lead nowhere.

    The form must not contain itself.
    """
    schema = form.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            siblings = {key: value for key, value in node.items() if key != "$ref"}
            return inline(definitions[node["$ref"].removeprefix("#/$defs/")] | siblings)
        return {key: inline(value) for key, value in node.items()}

    inlined: dict[str, Any] = inline(schema)
    return inlined
