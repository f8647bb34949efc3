"""Who may write a version of a remote store: whoever made the claim object, until it expires.

    <name>/.publishing/<version>/<generation>      {"token": "…", "expires": 1764000000.0}

A place without locks has one thing that cannot be shared: making an object that is not there yet. A claim is made so.
One that its maker never removed, because it was killed, is overcome after its time by making the next generation's.
Nobody but the maker of the newest generation writes or removes anything of the version.
"""

import json
import logging
import secrets
import time
from dataclasses import dataclass

from model_store.disk import LEFT_OVER_AGE
from model_store.errors import StoreUnreachable, VersionBusy
from model_store.names import is_name
from model_store.remote_folder import LONG_TIMEOUT, SHORT_TIMEOUT, RemoteFolder

_FOLDER = ".publishing"

_logger = logging.getLogger(__name__)


def unfinished(folder: RemoteFolder, name: str) -> dict[str, list[int]]:
    """The generations of the claims on each version of a model, ascending."""
    found: dict[str, list[int]] = {}
    for path in folder.list(name, _FOLDER):
        version, _, generation = path.partition("/")
        if is_name(version) and generation.isdecimal():
            found.setdefault(version, []).append(int(generation))
    return {version: sorted(generations) for version, generations in found.items()}


@dataclass(frozen=True)
class Claim:
    """The right to write a version until `expires`, a time of this machine's clock."""

    folder: RemoteFolder
    name: str
    version: str
    generations: tuple[int, ...]
    expires: float

    @classmethod
    def take(cls, folder: RemoteFolder, name: str, version: str) -> "Claim":
        """The claim on a version that is free.

        Raises:
            VersionBusy: another has it.
            StoreUnreachable.
        """
        generations = unfinished(folder, name).get(version, [])
        if generations:
            expires = _expiry(folder, name, version, generations[-1])
            if time.time() < expires:
                raise _busy(name, version, expires)
        own, expires = (generations or [0])[-1] + 1, time.time() + LEFT_OVER_AGE
        data = json.dumps({"token": secrets.token_hex(8), "expires": expires}).encode()
        if not folder.create(data, name, _FOLDER, version, str(own)):
            raise _busy(name, version, expires)
        return cls(folder, name, version, (*generations, own), expires)

    def check(self) -> None:
        """Raises StoreUnreachable where too little time is left to write another file."""
        if time.time() > self.expires - 2 * LONG_TIMEOUT:
            raise StoreUnreachable(f"{self.folder.location}: {self.name}/{self.version} took too long to write")

    def release(self) -> None:
        """Lets others write the version."""
        try:
            # The newest last: while it is there, nobody takes the version.
            for generation in self.generations:
                self.folder.remove(self.name, _FOLDER, self.version, str(generation))
        except StoreUnreachable as error:
            _logger.warning("the claim on %s/%s expires by itself: %s", self.name, self.version, error)


def _expiry(folder: RemoteFolder, name: str, version: str, generation: int) -> float:
    try:
        data = folder.read(name, _FOLDER, version, str(generation), timeout=SHORT_TIMEOUT)
        return float(json.loads(data)["expires"])
    except FileNotFoundError:
        # Released meanwhile: making the next generation decides.
        return 0.0
    except (ValueError, TypeError, LookupError) as error:
        place = f"{folder.location}/{name}/{_FOLDER}/{version}/{generation}"
        raise VersionBusy(f"{name}/{version}: expected a claim in {place}, got something else") from error


def _busy(name: str, version: str, expires: float) -> VersionBusy:
    until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(expires))
    return VersionBusy(
        f"{name}/{version} is being written by another process, or was by one that was killed; free again at {until}"
    )
