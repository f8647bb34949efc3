"""GET / and /web/...: the page for people, and what it is made of. Its files lie in service/web/."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

_FILES = StaticFiles(directory=Path(__file__).parents[1] / "web")
# A browser asks each time whether its copy is still the server's: pages of two versions never mix.
_REVALIDATE = "no-cache"


@router.get("/")
async def page(request: Request) -> Response:
    """The page."""
    return await _file("index.html", request)


@router.get("/web/{path:path}")
async def asset(path: str, request: Request) -> Response:
    """A style sheet, script or picture of the page."""
    return await _file(path, request)


async def _file(path: str, request: Request) -> Response:
    answer = await _FILES.get_response(path, request.scope)
    answer.headers["Cache-Control"] = _REVALIDATE
    return answer
