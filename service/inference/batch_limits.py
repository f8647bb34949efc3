"""How many images go together: what the operator allows, and less where the device had no memory for it."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from service.jobs import Job

RECOVERY_S = 60.0
"""After this time without a shortage a lowered limit doubles, and again after as long."""


@dataclass(frozen=True)
class _Lowered:
    lanes: int
    since: float


class BatchLimits:
    """The most images of a job in one batch. What did not fit is not tried again for a while; the limit then rises
    by doubling, and a step too far costs one batch that is halved again."""

    def __init__(self, *, max_lanes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        max_lanes: images, times the lanes of each, in one batch.
        clock: seconds.
        """
        self._max_lanes = max_lanes
        self._clock = clock
        self._lowered: dict[Hashable, _Lowered] = {}

    def images(self, job: Job[Any]) -> int:
        """Images of a job that may go together, at least 1."""
        return max(1, self._lanes(job.kind_of_work) // job.lanes)

    def did_not_fit(self, job: Job[Any], images: int) -> None:
        """Lowers the limit to half of what the device had no memory for; one image alone says nothing about it."""
        if images < 2:
            return
        kind = job.kind_of_work
        self._lowered[kind] = _Lowered(min(self._lanes(kind), images // 2 * job.lanes), self._clock())

    def _lanes(self, kind: Hashable) -> int:
        lowered = self._lowered.get(kind)
        if lowered is None:
            return self._max_lanes
        doublings = int((self._clock() - lowered.since) / RECOVERY_S)
        # A shift by the bits of the maximum is past it: no need to compute with the doublings of a whole year.
        lanes = lowered.lanes << min(doublings, self._max_lanes.bit_length())
        if lanes < self._max_lanes:
            return lanes
        del self._lowered[kind]
        return self._max_lanes
