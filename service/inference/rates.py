"""How long images take, as measured a short while ago."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Any

from service.jobs import Job

UNMEASURED_S = 0.1
"""What an image is taken to cost before the first of its kind has been answered: a generous latent inference."""

_SMOOTHING = 0.2
_KINDS = 256


class Rates:
    """Seconds a lane of each kind of job, on one place: a moving average over the last batches.

    Jobs differ a thousandfold, so that there is no rate of images as such.
    """

    def __init__(self) -> None:
        self._seconds_a_lane: OrderedDict[Hashable, float] = OrderedDict()

    def observe(self, job: Job[Any], images: int, seconds: float) -> None:
        """Takes note of one batch."""
        measured = seconds / (images * job.lanes)
        before = self._seconds_a_lane.pop(job.kind_of_work, measured)
        self._seconds_a_lane[job.kind_of_work] = before + _SMOOTHING * (measured - before)
        if len(self._seconds_a_lane) > _KINDS:
            self._seconds_a_lane.popitem(last=False)

    def seconds_per_image(self, job: Job[Any]) -> float:
        """What an image costs one place, in s."""
        seconds = self._seconds_a_lane.get(job.kind_of_work)
        return UNMEASURED_S if seconds is None else seconds * job.lanes

    def seconds_for(self, waiting: Iterable[tuple[Job[Any], int]], *, places: int) -> float:
        """How long so many images of each job keep the places busy, in s."""
        return sum(count * self.seconds_per_image(job) for job, count in waiting) / places
