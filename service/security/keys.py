"""API keys: made here, kept as hashes, compared in constant time.

An entry is one line, `NAME SCOPES sha256:HEX`: `app classify sha256:9f86...`, `ops classify,admin sha256:60303...`.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["classify", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_PREFIX = "eabs_"  # lets scanners of published code find a key that leaked
_TOKEN_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class InvalidKeys(ValueError):  # noqa: N818 - as in errors.py: the name reads as what happened
    """Keys that cannot be read. Its message never holds what was written, which may be a key."""


@dataclass(frozen=True)
class ApiKey:
    """One caller: a name for logs and limits, what it may do, and the SHA-256 of its key."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes

    @property
    def entry(self) -> str:
        """The line that a keys file has of it."""
        scopes = ",".join(scope for scope in SCOPES if scope in self.scopes)
        return f"{self.name} {scopes} sha256:{self.digest.hex()}"


class KeyRing:
    """All keys that are accepted now; at least one."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def parse(cls, text: str, *, source: str) -> "KeyRing":
        """Reads entries, one a line or separated by `;`; empty lines and those that begin with # are skipped.

        Args:
            text: the entries.
            source: names them in errors.

        Raises:
            InvalidKeys: none at all, one that is malformed, or a name or hash that comes twice.
        """
        keys: list[ApiKey] = []
        for number, line in enumerate(re.split(r"[\n;]", text), 1):
            entry = line.strip()
            if entry and not entry.startswith("#"):
                keys.append(_parse_entry(entry, f"{source}, entry {number}"))
        if not keys:
            raise InvalidKeys(f"{source}: expected at least one key, got none")
        if len({key.name for key in keys}) < len(keys) or len({key.digest for key in keys}) < len(keys):
            raise InvalidKeys(f"{source}: expected every name and every key once, got one twice")
        return cls(keys)

    def find(self, token: str) -> ApiKey | None:
        """The key that a caller presents, if it is one of these.

        Every key is compared, whichever matches, and each in constant time: how long it takes tells nothing.
        """
        digest = _digest_of(token)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def grants(self, scope: Scope) -> bool:
        """Whether any key has this scope."""
        return any(scope in key.scopes for key in self._keys)


def create_key(name: str, scopes: Iterable[str]) -> tuple[str, ApiKey]:
    """A new random key, which is kept nowhere, and what to keep of it.

    Raises:
        InvalidKeys: a name of other characters than letters, digits, `.`, `_` and `-`; no scope, or an unknown one.
    """
    token = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    return token, _parse_entry(f"{name} {','.join(scopes)} sha256:{_digest_of(token).hex()}", "key")


def _digest_of(token: str) -> bytes:
    # Slow hashes protect words that somebody can guess. These are 256 random bits: nobody goes through half of them,
    # however fast each try is, so the fast hash is as safe, and costs no request any time.
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _parse_entry(entry: str, where: str) -> ApiKey:
    form = "expected NAME SCOPES sha256:HEX, as `eabs keys create` prints it"
    fields = entry.split()
    if len(fields) != 3:
        raise InvalidKeys(f"{where}: {form}; got {len(fields)} words")
    name, scopes, digest = fields
    if not _NAME.fullmatch(name):
        raise InvalidKeys(f"{where}: {form}; got a name that is not 1 to 64 letters, digits, '.', '_' or '-'")
    known = [scope for scope in SCOPES if scope in scopes.split(",")]
    if len(known) != len(scopes.split(",")):
        raise InvalidKeys(f"{where}: {form}; got scopes other than {', '.join(SCOPES)}, each once")
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise InvalidKeys(f"{where}: {form}; got no SHA-256 in hexadecimal, perhaps the key itself")
    return ApiKey(name, frozenset(known), bytes.fromhex(match[1]))
