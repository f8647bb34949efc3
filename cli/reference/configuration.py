"""docs/configuration.md, from the fields of `Settings`."""

from collections.abc import Mapping
from typing import Any

from cli.reference.markdown import table
from cli.reference.values import Schema, values_of, without_null
from service.settings import Settings

_INTRODUCTION = """\
# Configuration

*`scripts/docs` writes this page from `service/settings.py`.*

Every setting is an environment variable. `eabs serve` has options for the most common ones (`--model`, `--store`,
`--device`, `--host`, `--port`, `--workers`, `--allow-anonymous`, `--log-format`); an option wins over its variable. A
value that cannot be right, and a variable that begins with `EABS_` and is none of these, ends the server at its start
with a line that names it.
"""

_CLOSING = """\
Three variables are read by other commands: `EABS_STORE` by `eabs models`, `eabs classify` and `eabs certify` too,
`EABS_CLIENT_KEY` by `eabs classify --url` ([the client](client.md)), `EABS_PYTHON` by `scripts/setup`: the Python to
make `.venv` with.
"""


def configuration_page() -> str:
    """The page, as Markdown."""
    fields: Mapping[str, Schema] = Settings.model_json_schema()["properties"]
    rows = [
        (f"`{_variable(name)}`", values_of(without_null(field)), _default(name, field), field["description"])
        for name, field in fields.items()
    ]
    return f"{_INTRODUCTION}\n{table(('variable', 'values', 'default', 'what it is'), rows)}\n\n{_CLOSING}"


def _variable(name: str) -> str:
    return f"{Settings.model_config['env_prefix']}{name.upper()}"


def _default(name: str, field: Schema) -> str:
    # Of what depends on the machine the field itself says how to write it.
    if (shown := field.get("default_in_words")) is not None:
        return str(shown)
    value: Any = field.get("default")
    if value is None:
        return "none"
    size = f" ({value // 2**20} MiB)" if name.endswith("_bytes") else ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`{size}"
