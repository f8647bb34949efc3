"""What a call wants done while it runs: a call is a generator of these, and each client does them in its own way.

So that nothing but the doing is written twice, once to block and once to await.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Send:
    """A request. It is answered with its `httpx.Response`, or with the `httpx.RequestError` that kept it away."""

    method: str
    path: str
    headers: Mapping[str, str]
    timeout: httpx.Timeout
    params: Mapping[str, Any]
    content: bytes | None = None


@dataclass(frozen=True)
class Pause:
    """Nothing, for so long."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Something that may block: files, encoding. It is answered with what it returns."""

    run: Callable[[], Any]


Effect = Send | Pause | Work
Steps = Generator[Effect, Any, T]
"""A call that results in a T."""
