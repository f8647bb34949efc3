"""The HTTP routes, one concern a file."""

from fastapi import Request

from service.runtime import Runtime


def runtime_of(request: Request) -> Runtime:
    """The server that a request came to."""
    runtime = request.app.state.runtime
    assert isinstance(runtime, Runtime)  # noqa: S101 - create_app has put it there
    return runtime
