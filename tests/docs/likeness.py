"""Whether what a page shows is like what its command prints.

Of JSON: the same keys (`{...` and a leading `...` on the page leave some out), the same strings, booleans, nulls and
whole numbers, and radii within 1 %; what differs from run to run is compared by its key alone. Of other text: every
line, with any number for a number and any text for `...`.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

VOLATILE = {"request_id", "cached"}
CLOSE = {"radius", "bound", "attack_upper_bound"}
_PAIR = re.compile(r'"([^"]+)":\s*("(?:[^"\\]|\\.)*"|true|false|null|-?[\d.]+(?:e-?\d+)?)?')
_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
_TOKENS = re.compile(rf"\.\.\.|sha256:[0-9a-f]+|{_NUMBER}|\s+")


def differences(shown: str, printed: str) -> list[str]:
    """What the page says and the command does not print, or the other way round; empty where they are alike."""
    return _in_json(shown, printed) if _PAIR.search(shown) else _in_text(shown, printed)


def _in_json(shown: str, printed: str) -> list[str]:
    pairs = [pair for document in _documents(printed) for pair in _pairs(document)]
    keys, shown_keys = {key for key, _ in pairs}, {key for key, _ in _PAIR.findall(shown)}
    missing = [f"{key}: shown, not printed" for key in sorted(shown_keys - keys)]
    if not shown.startswith("...") and "{..." not in shown:
        missing += [f"{key}: printed, not shown" for key in sorted(keys - shown_keys)]
    for key, text in _PAIR.findall(shown):
        if (
            text
            and key in keys
            and not _is_among(json.loads(text), key, [value for name, value in pairs if name == key])
        ):
            missing.append(f"{key}: {text} shown, not printed")
    return missing


def _is_among(value: Any, key: str, printed: list[Any]) -> bool:
    if key in VOLATILE:
        return True
    if key in CLOSE and isinstance(value, float):
        return any(isinstance(other, float) and math.isclose(value, other, rel_tol=0.01) for other in printed)
    return isinstance(value, float) or value in printed


def _documents(printed: str) -> Iterator[Any]:
    """The JSON documents in it: itself, or each of its lines that is one."""
    for text in (printed, *printed.splitlines()):
        if text.lstrip().startswith(("{", "[")):
            try:
                yield json.loads(text)
            except ValueError:
                continue


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)


def _in_text(shown: str, printed: str) -> list[str]:
    lines = [line.strip() for line in printed.splitlines()]
    wanted = [line.strip() for line in shown.splitlines() if line.strip()]
    return [f"{line!r} shown, not printed" for line in wanted if not any(map(_like(line).fullmatch, lines))]


def _like(line: str) -> re.Pattern[str]:
    """Lines that differ from this one in numbers and hashes, or in what `...` stands for."""
    parts, end = [], 0
    for token in _TOKENS.finditer(line):
        parts.append(re.escape(line[end : token.start()]))
        end = token.end()
        if token[0] == "...":
            parts.append(".*")
        elif token[0].startswith("sha256:"):
            parts.append("sha256:[0-9a-f]+")
        else:
            parts.append(r"\s+" if token[0].isspace() else _NUMBER)
    return re.compile("".join(parts) + re.escape(line[end:]))
