"""How an operator names a model to serve."""

import re
from dataclasses import dataclass

_REFERENCE = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]{0,63})(@(?P<version>[a-z0-9][a-z0-9._-]{0,63}))?")


@dataclass(frozen=True)
class ModelReference:
    """A model to serve: its name, and a version or an alias (none: the store's choice)."""

    name: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelReference":
        """Reads `name` or `name@version`.

        Raises:
            ValueError: it is neither.
        """
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise ValueError(f"expected name or name@version, got {text!r}")
        return cls(match["name"], match["version"])

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"
