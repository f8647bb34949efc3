"""When a call is made again, and after how long."""

import random
from dataclasses import dataclass

from client.errors import ConnectionFailed, EABSError, Overloaded, Unavailable


@dataclass(frozen=True, kw_only=True)
class Retries:
    """Exponential back-off with full jitter, for as long as the call has time.

    Only what asks to come back is asked again: 429, 503, and connections that failed. All that the client calls may be
    repeated: an answer changes nothing.

    attempts: how often a request is sent at most; 1 tries nothing again.
    first_s: the longest pause after the first attempt; it doubles with each.
    longest_s: what it does not grow beyond. A `Retry-After` is waited for in full, whatever it says, and jitter comes
        on top of it, so that a crowd that was refused together does not come back together.
    """

    attempts: int = 5
    first_s: float = 0.2
    longest_s: float = 10.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 <= self.first_s <= self.longest_s:
            raise ValueError(f"expected attempts >= 1 and 0 <= first_s <= longest_s, got {self}")

    def pause_s(self, attempt: int, error: EABSError) -> float | None:
        """How long to wait after attempt 0, 1, ... has failed, in s; None where it shall not be made again."""
        if not isinstance(error, Overloaded | Unavailable | ConnectionFailed) or attempt + 1 >= self.attempts:
            return None
        told = error.retry_after if isinstance(error, Overloaded | Unavailable) else None
        step = min(self.longest_s, self.first_s * 2**attempt)
        return (told or 0.0) + random.uniform(0.0, step)  # noqa: S311 - no secret


ONCE = Retries(attempts=1)
"""Nothing is tried again."""
