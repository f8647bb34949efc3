"""`eabs serve`: the HTTP server."""

import os
from typing import Annotated

import typer

from cli.options import settings_from
from service.process.refusal import check_variables, refuse
from service.process.serve import serve as serve_settings
from service.telemetry.logs import configure_logging


def serve(
    model: Annotated[
        list[str] | None, typer.Option(help="name, name@version or name@alias; repeatable, the first is the default.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [default: 8000].")] = None,
    store: Annotated[
        str | None, typer.Option(help="Model store, a folder or a URL [default: the bundled models].")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda (every GPU) or cuda:N [default: auto].")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port [default: 1].")] = None,
    allow_anonymous: Annotated[
        bool | None, typer.Option("--allow-anonymous", help="Listen off loopback without asking for API keys.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="json or text [default: json].")] = None,
) -> None:
    """Serve models over HTTP until SIGTERM or Ctrl-C, which lets it answer what it has accepted; a second one does not.

    Exits with 0 after an orderly end, 1 where it could not start or go on, 2 for a wrong option or setting, 3 where
    accepted requests were not answered in time, 143 or 130 after a second signal.

    Every setting is also an environment variable: EABS_MODELS, EABS_STORE, EABS_MAX_QUEUE and so on; see
    docs/configuration.md. An option wins over its variable.
    """
    # What is wrong with the settings is said in the log's format too.
    form = log_format or os.environ.get("EABS_LOG_FORMAT", "")
    configure_logging("info", "text" if form == "text" else "json")
    try:
        check_variables(os.environ)
        settings = settings_from(
            models=",".join(model) if model else None,
            host=host,
            port=port,
            store=store,
            device=device,
            workers=workers,
            allow_anonymous=allow_anonymous,
            log_format=log_format,
        )
    except ValueError as error:
        raise typer.Exit(refuse(error)) from error
    raise typer.Exit(serve_settings(settings))
