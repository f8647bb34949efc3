from pydantic import BaseModel, Field

from service.routes.openapi import inline_schema


class Inner(BaseModel):
    """What is inside."""

    size: int


class Outer(BaseModel):
    first: Inner = Field(description="The first")
    others: list[Inner] | None = None


def test_what_a_schema_refers_to_stands_in_its_place() -> None:
    inner = {
        "title": "Inner",
        "description": "What is inside.",
        "type": "object",
        "properties": {"size": {"title": "Size", "type": "integer"}},
        "required": ["size"],
    }
    schema = inline_schema(Outer)
    assert "$defs" not in schema
    assert schema["properties"]["first"] == inner | {"description": "The first"}
    assert schema["properties"]["others"]["anyOf"][0] == {"type": "array", "items": inner}
