"""Who calls, and whether they may: decided before anything of a body is read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Forbidden, ServiceError, Unauthenticated
from service.problems import error_response
from service.security.access import access_of
from service.security.key_source import KeySource
from service.security.keys import ApiKey, KeyRing


class AuthenticationMiddleware:
    """Asks for an API key where one is set, and for an admin's where something is changed.

    Leaves the key's name in `scope["state"]["key_name"]`.
    """

    def __init__(self, app: ASGIApp, keys: KeySource) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                key = _authenticate(scope, self._keys.ring)
            except ServiceError as error:
                await error_response(scope["path"], error)(scope, receive, send)
                return
            if key is not None:
                scope.setdefault("state", {})["key_name"] = key.name
        await self._app(scope, receive, send)


def _authenticate(scope: Scope, ring: KeyRing | None) -> ApiKey | None:
    """The caller's key; None where none is needed.

    Raises:
        Unauthenticated: no key, or an unknown one.
        Forbidden: a key without the scope that the path needs.
    """
    access = access_of(scope["path"])
    if access == "open":
        return None
    if access == "admin" and (ring is None or not ring.grants("admin")):
        raise Forbidden("expected a server with a key of the scope 'admin', got one that has none: this is turned off")
    if ring is None:
        return None
    token = _token(Headers(scope=scope))
    if token is None:
        raise Unauthenticated("expected an API key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY', got none")
    key = ring.find(token)
    if key is None:
        raise Unauthenticated("expected an API key of this server, got an unknown one", error="invalid_token")
    if access not in ("any", *key.scopes):
        raise Forbidden(f"expected an API key of the scope {access!r}, got one of {', '.join(sorted(key.scopes))}")
    return key


def _token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None
