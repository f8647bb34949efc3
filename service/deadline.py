"""Until when an answer is of use: the one value that travels with a request from its route to the queue."""

import math
import time
from dataclasses import dataclass, field

from service.errors import DeadlinePassed


@dataclass(frozen=True, order=True)
class Deadline:
    """A moment, and how much time that was; of two, the later one is the greater.

    `at`: on the clock of `time.monotonic`, in s. `allowed_s`: from the request's beginning, in s.
    """

    at: float
    allowed_s: float = field(compare=False)

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """So many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def remaining_s(self) -> float:
        """Time that is left, in s; negative once it has passed."""
        return self.at - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether an answer would come too late."""
        return self.remaining_s <= 0

    def error(self) -> DeadlinePassed:
        """What a request is told whose deadline passed."""
        return DeadlinePassed(f"expected an answer within {self.allowed_s:g} s, got none")


NO_DEADLINE = Deadline(math.inf, math.inf)
"""Of who waits as long as it takes."""
