"""Options that many commands have: the store, and settings that keep their environment variable or default."""

from typing import Annotated, Any

import typer

from model_store import BUNDLED
from service.settings import Settings

Store = Annotated[
    str, typer.Option(envvar="EABS_STORE", help="The model store: a folder, or a URL such as s3://bucket/prefix.")
]
BUNDLED_STORE = str(BUNDLED)


def settings_from(**options: Any) -> Settings:
    """The environment's settings with the options that were given.

    Raises:
        pydantic.ValidationError: a value is none that the setting may have.
    """
    return Settings(**{name: value for name, value in options.items() if value is not None})
