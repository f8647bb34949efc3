"""Which scope a path asks for. What is not listed is not open."""

from typing import Literal

from service.security.keys import Scope

# Probes, and what describes the interface or asks for a key itself.
_OPEN = frozenset(
    {"/", "/docs", "/openapi.json", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/favicon.ico"}
)
_OPEN_BELOW = ("/web/",)
_ANY_KEY = frozenset({"/metrics"})
_REPOSITORY = "/v2/repository/"
_REPOSITORY_INDEX = "/v2/repository/index"

Access = Scope | Literal["open", "any"]


def access_of(path: str) -> Access:
    """What a request for a path needs: `open` nothing, `any` a key of any scope, otherwise a key of that scope.

    Args:
        path: decoded, as routes are matched with it.
    """
    if path in _OPEN or path.startswith(_OPEN_BELOW):
        return "open"
    if path in _ANY_KEY:
        return "any"
    if path.startswith(_REPOSITORY) and path != _REPOSITORY_INDEX:
        return "admin"
    return "classify"
