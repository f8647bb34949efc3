"""Where the keys come from: a file, which may change while the server runs, or the environment."""

import asyncio
import logging
import stat
from pathlib import Path

from service.security.keys import InvalidKeys, KeyRing
from service.settings import Settings

logger = logging.getLogger(__name__)

_POLL_S = 2.0


class KeySource:
    """The keys that are accepted now; None where nobody set any."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            InvalidKeys: both a file and the environment set keys, or what they set cannot be read.
        """
        self._file = settings.api_keys_file
        self._text: str | None = None
        self.ring: KeyRing | None = None
        if settings.api_keys is not None:
            if self._file is not None:
                raise InvalidKeys("expected one of EABS_API_KEYS and EABS_API_KEYS_FILE, got both")
            self.ring = KeyRing.parse(settings.api_keys.get_secret_value(), source="EABS_API_KEYS")
        elif self._file is not None:
            self._text = _read(self._file)
            self.ring = KeyRing.parse(self._text, source=str(self._file))

    async def watch(self, poll_s: float = _POLL_S) -> None:
        """Follows the file until cancelled: keys are rotated without a restart.

        A file that is gone, or cannot be read, leaves the keys as they are, and its reason in the log: a slip must
        neither lock everybody out nor let anybody in.
        """
        if self._file is None:
            return
        problem = None
        while True:
            await asyncio.sleep(poll_s)
            try:
                text = await asyncio.to_thread(_read, self._file)
                if text != self._text:
                    self.ring = KeyRing.parse(text, source=str(self._file))
                    self._text = text
                    logger.info("%d API keys are accepted now", len(self.ring))
                problem = None
            except InvalidKeys as error:
                if str(error) != problem:
                    problem = str(error)
                    logger.error("the API keys stay as they were: %s", problem)


def _read(file: Path) -> str:
    # It may be read by others: whoever sees a hash of 256 random bits knows no key. Who writes it makes keys.
    try:
        with file.open(encoding="ascii") as opened:
            if stat.S_IMODE(file.stat().st_mode) & stat.S_IWOTH:
                raise InvalidKeys(f"{file}: expected a file that only its owner may write, got one that everybody may")
            return opened.read()
    except UnicodeDecodeError as error:
        raise InvalidKeys(f"{file}: expected ASCII text") from error
    except OSError as error:
        raise InvalidKeys(f"{file}: expected a file of API keys, got {error.strerror}") from error
