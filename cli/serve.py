"""`eabs serve`: the HTTP server."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import fail
from cli.options import settings_from
from service.app import serve as serve_app
from service.models.served_model import resolve_devices


def serve(
    model: Annotated[
        list[str] | None, typer.Option(help="name, name@version or name@alias; repeatable, the first is the default.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [default: 8000].")] = None,
    store: Annotated[Path | None, typer.Option(help="Model store [default: the bundled models].")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda (every GPU) or cuda:N [default: auto].")] = None,
    log_format: Annotated[str | None, typer.Option(help="json or text [default: json].")] = None,
) -> None:
    """Serve models over HTTP until SIGTERM or Ctrl-C.

    Every setting is also an environment variable: EABS_MODELS, EABS_STORE, EABS_MAX_QUEUE and so on; see
    docs/configuration.md. An option wins over its variable.
    """
    try:
        settings = settings_from(
            models=",".join(model) if model else None,
            host=host,
            port=port,
            store=store,
            device=device,
            log_format=log_format,
        )
        resolve_devices(settings.device)
    except ValueError as error:
        fail(str(error), usage=True)
    raise typer.Exit(serve_app(settings))
