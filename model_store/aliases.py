"""aliases.json: names that operators move between versions, as `{"production": "3"}`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter, ValidationError

from model_store.errors import InvalidAliases
from model_store.names import check_name

_Name = Annotated[str, AfterValidator(check_name)]
_ALIASES = TypeAdapter(dict[_Name, _Name])


def read_aliases(file: Path) -> dict[str, str]:
    """The versions that the aliases point at, sorted by alias; none where there is no file.

    Raises:
        InvalidAliases: the file does not map names to names.
    """
    try:
        return dict(sorted(_ALIASES.validate_json(file.read_bytes()).items()))
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise InvalidAliases(f"{file.parent.name}/{file.name}: {error}") from error


def aliases_to_bytes(aliases: Mapping[str, str]) -> bytes:
    """The JSON file of these aliases."""
    return json.dumps(aliases, indent=2, sort_keys=True).encode() + b"\n"
