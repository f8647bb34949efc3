"""No caller takes the server for itself: so many requests each, and then 429."""

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import RateLimited
from service.problems import error_response
from service.security.access import access_of
from service.security.rate_limit import RateLimit

_IPV6_SUBSCRIBER = 64


class RateLimitMiddleware:
    """Limits the requests of each API key, or of each client's address where no key is asked for.

    Stands inside of `AuthenticationMiddleware`. What is open to everybody, probes foremost, is not counted.
    """

    def __init__(self, app: ASGIApp, limit: RateLimit) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and access_of(scope["path"]) not in ("open", "any"):
            retry_after = await self._limit.take(_caller(scope))
            if retry_after is not None:
                detail = f"expected at most {self._limit} of one caller, got more"
                refusal = RateLimited(detail, retry_after=retry_after)
                await error_response(scope["path"], refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _caller(scope: Scope) -> str:
    key = scope.get("state", {}).get("key_name")
    return f"key {key}" if key is not None else f"address {_subscriber(scope['client'][0] if scope['client'] else '')}"


def _subscriber(host: str) -> str:
    """The address, or for IPv6 the network of a subscriber, who has 2^64 addresses to choose from."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address.packed, _IPV6_SUBSCRIBER), strict=False))
    return host
