"""What a request waits for, as spans: `queue` until its last image was begun, `inference` from the first on."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from service.inference.fair_queue import Pending
from service.telemetry.tracing import Fact, is_traced, record_span


@contextmanager
def waiting_spans(items: Sequence[Pending[Any]], *, since: float) -> Iterator[None]:
    """Tells, when the block ends, how long the request waited for these images from `since`, a time of its loop. It has
    joined those that are older."""
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        if is_traced():
            _record(items, since, error)


def _record(items: Sequence[Pending[Any]], since: float, error: BaseException | None) -> None:
    now, now_ns = asyncio.get_running_loop().time(), time.time_ns()

    def in_ns(moment: float) -> int:
        return now_ns - round((now - moment) * 1e9)

    facts: dict[str, Fact] = {"job": type(items[0].job).__name__, "images": len(items)}
    begun = [max(since, item.began) for item in items if item.began is not None]
    queued_until = max(begun) if len(begun) == len(items) else now
    record_span("queue", in_ns(since), in_ns(queued_until), error=None if begun else error, **facts)
    if begun:
        record_span("inference", in_ns(min(begun)), now_ns, error=error, **facts)
