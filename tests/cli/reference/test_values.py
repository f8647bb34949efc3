from typing import Any

import pytest

from cli.reference.values import values_of


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 9}, "integer, 0 to 9"),
        ({"type": "number", "exclusiveMinimum": 0}, "number, > 0"),
        ({"type": "integer", "exclusiveMaximum": 4294967296}, "integer, < 4294967296"),
        ({"enum": ["a", "b", "c"], "type": "string"}, "`a`, `b` or `c`"),
        ({"anyOf": [{"enum": ["a"]}, {"const": "b"}]}, "`a` or `b`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({"anyOf": [{"type": "string", "format": "path"}, {"type": "string"}]}, "path or text"),
        ({"$ref": "#/components/schemas/Thing"}, "[Thing](#thing)"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}, "list of [Thing](#thing)"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}]}, "[integer, integer]"),
        ({"type": "array", "items": {}}, "list"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"type": "object", "additionalProperties": False, "properties": {}}, "object"),
    ],
)
def test_a_schema_is_told_in_words(schema: dict[str, Any], words: str) -> None:
    assert values_of(schema) == words
