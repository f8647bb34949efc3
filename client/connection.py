"""What both clients' connections have in common."""

from urllib.parse import urlsplit

import httpx

from client.effects import Send


def checked(url: str) -> str:
    """The server's address.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url: expected http://host:port, got {url!r}")
    return url


def authorisation(api_key: str | None) -> dict[str, str]:
    """The header that sends a key, if there is one."""
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


def pool(max_connections: int) -> httpx.Limits:
    """So many connections, all kept open."""
    return httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)


def build(http: httpx.Client | httpx.AsyncClient, effect: Send) -> httpx.Request:
    """The request with the client's address and key."""
    return http.build_request(
        effect.method,
        effect.path,
        params=effect.params,
        headers=effect.headers,
        content=effect.content,
        timeout=effect.timeout,
    )
