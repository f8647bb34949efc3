"""A server that others can reach does not start by accident without keys."""

import ipaddress
import socket

from service.security.key_source import KeySource
from service.settings import Settings


class Exposed(ValueError):  # noqa: N818 - as in errors.py: the name reads as what happened
    """The server would listen where others reach it, and ask nobody for a key."""


def load_keys(settings: Settings) -> KeySource:
    """The keys of a server that asks for some, that only this machine reaches, or that is open on purpose.

    Raises:
        Exposed: it is none of these.
        InvalidKeys: as `KeySource` does.
    """
    keys = KeySource(settings)
    if is_open_to_others(settings, keys) and not settings.allow_anonymous:
        raise Exposed(
            f"expected API keys (EABS_API_KEYS_FILE, see `eabs keys create --help`) to listen on {settings.host!r}, "
            "which other machines may reach; got none. To serve everybody without a key: --allow-anonymous"
        )
    return keys


def is_open_to_others(settings: Settings, keys: KeySource) -> bool:
    """Whether other machines may reach the server and are asked for no key."""
    return keys.ring is None and not is_loopback(settings.host)


def is_loopback(host: str) -> bool:
    """Whether an address, or every address of a name, is this machine's alone."""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host or None, None, flags=socket.AI_PASSIVE)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)
