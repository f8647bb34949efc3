"""Where batches are worked on: which places are free, and which must show first that they still can."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import torch

from service.errors import NotReady
from service.jobs import Classifiers

logger = logging.getLogger(__name__)

_PATIENCE_S = (0.1, 5.0)
_RETRY_AFTER_S = 5


@dataclass(frozen=True, eq=False)
class Place:
    """One batch at a time is worked on here; the models, by digest, are those of the device, while somebody serves
    them."""

    device: torch.device
    models: WeakValueDictionary[str, Classifiers] = field(repr=False)


Probe = Callable[[Place, str], Awaitable[None]]
"""Returns if a place answers a small image with a model; raises what hinders it."""


class Places:
    """Lends places, one batch each. A place that failed is lent again when it has answered a probe: what failed may
    have been the batch, or the device. Belongs to one event loop."""

    def __init__(self, places: Sequence[Place], probe: Probe) -> None:
        self._count = len(places)
        self._free = deque(places)
        self._changed = asyncio.Event()
        self._probe = probe
        # Of every place that failed, the task that probes it; and which of them have failed a probe as well.
        self._suspects: dict[Place, asyncio.Task[None]] = {}
        self._broken: set[Place] = set()

    def __len__(self) -> int:
        return self._count

    @property
    def suspect(self) -> Place | None:
        """A place that failed and has not answered a probe since."""
        return next(iter(self._suspects), None)

    @property
    def suspects(self) -> int:
        """How many places failed and have not answered a probe since."""
        return len(self._suspects)

    async def lend(self) -> Place:
        """The first place that is free.

        Raises:
            NotReady: every place has failed, and failed its probe.
        """
        while not self._free:
            if len(self._broken) == self._count:
                raise NotReady("The engine failed, and does not answer a probe.", retry_after=_RETRY_AFTER_S)
            self._changed.clear()
            await self._changed.wait()
        return self._free.popleft()

    def give_back(self, place: Place) -> None:
        """Ends a loan."""
        self._free.append(place)
        self._changed.set()

    def give_back_failed(self, place: Place, digest: str) -> None:
        """Ends a loan in which a model failed; the place is probed with this model before it is lent again."""
        self._suspects[place] = asyncio.create_task(self._recover(place, digest), name=f"probe-{place.device}")

    async def close(self) -> None:
        """Ends the probes."""
        for task in list(self._suspects.values()):
            task.cancel()
        await asyncio.gather(*self._suspects.values(), return_exceptions=True)

    async def _recover(self, place: Place, digest: str) -> None:
        patience_s, longest_s = _PATIENCE_S
        while True:
            try:
                await self._probe(place, digest)
                break
            except Exception as error:
                logger.error("%s does not answer a probe", place.device, exc_info=error)
            self._broken.add(place)
            self._changed.set()
            await asyncio.sleep(patience_s)
            patience_s = min(2 * patience_s, longest_s)
        logger.info("%s has answered a probe after a failure", place.device)
        self._broken.discard(place)
        del self._suspects[place]
        self.give_back(place)
