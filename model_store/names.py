"""Names that are safe as folder names and in URLs, and paths that stay below their root."""

import re
from itertools import zip_longest
from pathlib import Path

from model_store.errors import InvalidName

ALIASES_FILE = "aliases.json"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NUMBER = re.compile(r"([0-9]+)")


def check_name(name: str) -> str:
    """The name itself, if it may name a model, a version or an alias.

    Raises:
        InvalidName: unless it matches `[a-z0-9][a-z0-9._-]{0,63}`, and for `aliases.json`, which would
            stand where the store keeps the aliases.
    """
    if not _NAME.fullmatch(name):
        raise InvalidName(f"expected a name that matches {_NAME.pattern}, got {name!r}")
    if name == ALIASES_FILE:
        raise InvalidName(f"{name!r} is the name of the store's own file")
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` accepts the name."""
    try:
        check_name(name)
    except InvalidName:
        return False
    return True


def path_below(root: Path, *parts: str) -> Path:
    """The path of `parts` below `root`, every symbolic link followed; it need not exist.

    Raises:
        InvalidName: if the path, after its links were followed, is not below the root.
    """
    try:
        home = root.resolve()
        path = home.joinpath(*parts).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidName(f"{'/'.join(parts)!r} cannot be resolved: {error}") from error
    if home not in path.parents:
        raise InvalidName(f"{'/'.join(parts)!r} leaves the store")
    return path


def natural_key(name: str) -> tuple[tuple[str, int, str], ...]:
    """Sorts names as people count: '2' before '10', 'v1.9' before 'v1.10'."""
    chunks = _NUMBER.split(name)
    pairs = zip_longest(chunks[::2], chunks[1::2], fillvalue="")
    return tuple((text, int(digits or -1), digits) for text, digits in pairs)
