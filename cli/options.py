"""Options that override settings: what is left out keeps its environment variable or default."""

from typing import Any

from service.settings import Settings


def settings_from(**options: Any) -> Settings:
    """The environment's settings with the options that were given.

    Raises:
        pydantic.ValidationError: a value is none that the setting may have.
    """
    return Settings(**{name: value for name, value in options.items() if value is not None})
