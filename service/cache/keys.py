"""What an answer or an image is called in a cache that other processes share.

    eabs:<format>:answer:<sha256 of the software's version, the job and all its fields, the image's identity>
    eabs:<format>:image:<sha256 of the pixels and their shape>

Equal jobs have equal keys in every process, and different jobs different ones: a field that is added to a job, or to
its settings, is part of the key without anyone having to remember it.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from typing import Any

from service.jobs import Job

FORMAT = 1
"""Of the values. Another number keeps servers apart that could not read each other's."""

_SOFTWARE = version("eabs-server")  # its answers are its own: another version may compute them otherwise
_IDENTITY = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})")


def answer_keys(job: Job[Any], identities: Iterable[str]) -> dict[str, str]:
    """The keys of a job's answers, by the identity of the image that each is about.

    Raises:
        TypeError: a field of the job is of a kind that has no canonical form.
    """
    common = hashlib.sha256(json.dumps([_SOFTWARE, canonical(job)]).encode())
    keys = {}
    for identity in identities:
        digest = common.copy()
        digest.update(b"\n" + identity.encode())
        keys[identity] = f"eabs:{FORMAT}:answer:{digest.hexdigest()}"
    return keys


def image_key(identity: str) -> str | None:
    """The key of an image; None where `identity` is none of an image."""
    match = _IDENTITY.fullmatch(identity)
    return None if match is None else f"eabs:{FORMAT}:image:{match['hex']}"


def canonical(value: object) -> object:
    """What JSON writes in the same way for equal values, and differently for others.

    A dataclass is its class and its fields, those that do not count when two are compared left out. Numbers are equal
    where Python says so: 1, 1.0 and True have one form.

    Raises:
        TypeError: it is no dataclass, tuple, number, string or None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        compared = {field.name: canonical(getattr(value, field.name)) for field in fields(value) if field.compare}
        return [f"{kind.__module__}.{kind.__qualname__}", compared]
    if isinstance(value, tuple):
        return {"tuple": [canonical(item) for item in value]}
    if isinstance(value, float) and not value.is_integer():
        return {"float": value.hex()}
    if isinstance(value, int | float):
        return int(value)
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"expected a dataclass, tuple, number, string or None, got {type(value).__name__}")
