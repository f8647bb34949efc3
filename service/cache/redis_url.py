"""Where the Redis is and how it is entered: a URL that holds a password, and so is never repeated in a message."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis.asyncio.connection import parse_url

_FORM = "redis://[[user]:password@]host[:port][/database], or rediss:// for TLS"
_TLS_OPTIONS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
)


def parse_redis_url(url: str) -> dict[str, Any]:
    """The arguments of a redis-py connection pool.

    Only what says where and how to connect may be in the URL; time limits and retries are not the URL's to set.

    Raises:
        ValueError: it is not of the form above.
    """
    try:
        parts = urlsplit(url)
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError:
        # The cause may quote a piece of the URL, which may be a piece of the password.
        raise ValueError(f"expected {_FORM}, got what cannot be read as one") from None
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not re.fullmatch(r"/?|/\d+", parts.path):
        raise ValueError(f"expected {_FORM}, got another form")
    allowed = _TLS_OPTIONS if parts.scheme == "rediss" else frozenset()
    unknown = parse_qs(parts.query, keep_blank_values=True).keys() - allowed
    if unknown:
        expected = ", ".join(sorted(allowed)) or "none"
        raise ValueError(f"options: expected {expected}, got {len(unknown)} others")
    return options
