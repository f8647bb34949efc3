"""Whether an object is what KServe's client, generated from KServe's own schema, knows."""

import re
from typing import Any

import kserve
from kubernetes import client


def expect_known(value: Any, kind: str, path: str = "") -> None:
    """Checks every field's name and type.

    Args:
        value: an object of a manifest, or a part of it.
        kind: of the client's names of types: `V1beta1InferenceService`, `list[V1Container]`, `dict(str, str)`, `int`.
        path: where the value stands.

    Raises:
        AssertionError: it has a field that its type has not, or a value of another type.
    """
    if part := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        assert isinstance(value, list), f"{path}: expected a list, got {value!r}"
        for index, item in enumerate(value):
            expect_known(item, part[1], f"{path}[{index}]")
    elif part := re.fullmatch(r"[Dd]ict[(\[]str, (.+)[)\]]", kind):
        assert isinstance(value, dict), f"{path}: expected an object, got {value!r}"
        for key, item in value.items():
            expect_known(item, part[1], f"{path}.{key}")
    elif kind in {"str", "int", "bool"}:
        assert type(value).__name__ == kind, f"{path}: expected {kind}, got {value!r}"
    elif kind not in {"object", "ResourceQuantity"}:
        model = getattr(kserve, kind, None) or getattr(client, kind)
        fields = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
        assert value.keys() <= fields.keys(), f"{path}: {kind} has no {value.keys() - fields.keys()}"
        for name, item in value.items():
            expect_known(item, fields[name], f"{path}.{name}")
