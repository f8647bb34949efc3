"""aliases.json: names that operators move between versions, as `{"production": "3"}`."""

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter, ValidationError

from model_store.errors import InvalidAliases
from model_store.names import ALIASES_FILE, check_name

_Name = Annotated[str, AfterValidator(check_name)]
_ALIASES = TypeAdapter(dict[_Name, _Name])


def aliases_from_bytes(data: bytes, *, file: str = ALIASES_FILE) -> dict[str, str]:
    """The versions that the aliases point at, sorted by alias; `file` names the bytes in errors.

    Raises:
        InvalidAliases: the bytes do not map names to names.
    """
    try:
        return dict(sorted(_ALIASES.validate_json(data).items()))
    except ValidationError as error:
        raise InvalidAliases(f"{file}: {error}") from error


def aliases_to_bytes(aliases: Mapping[str, str]) -> bytes:
    """The JSON file of these aliases."""
    return json.dumps(aliases, indent=2, sort_keys=True).encode() + b"\n"
