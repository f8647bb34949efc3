"""What the OpenAPI document says of keys and limits, which are looked at before any route is reached."""

from typing import Any

from service.errors import Forbidden, RateLimited, Unauthenticated
from service.problems import describe, describe_open_inference, is_open_inference
from service.security.access import access_of

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, where the server asks for one"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same, in another header"},
}
_REFUSALS = (Unauthenticated, Forbidden, RateLimited)
# What any key may ask for is neither forbidden to one, nor counted.
_REFUSALS_TO_ANY = (Unauthenticated,)


def with_security(document: dict[str, Any]) -> dict[str, Any]:
    """The document, with the schemes of keys, which operations want one, of which scope (`x-scope`), and how they
    refuse."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        access = access_of(path)
        if access == "open":
            continue
        errors = _REFUSALS_TO_ANY if access == "any" else _REFUSALS
        refusals = (describe_open_inference if is_open_inference(path) else describe)(*errors)
        for operation in operations.values():
            operation["security"] = [{name: []} for name in _SCHEMES]
            operation["x-scope"] = access
            for status, refusal in refusals.items():
                known = operation["responses"].setdefault(str(status), {**refusal, "description": ""})
                known["description"] = "; ".join(filter(None, (known["description"], refusal["description"])))
    return document
