"""`eabs keys`: API keys of the server."""

from typing import Annotated

import typer

from cli.console import fail, print_json
from service.security.keys import SCOPES, InvalidKeys, create_key

app = typer.Typer(name="keys", help="Make API keys of the server.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Make API keys of the server."""


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Whose key it is, for logs and limits.")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do: {' or '.join(SCOPES)}; repeatable.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make a random key, which is shown once and kept nowhere, and the line of the server's keys file for it."""
    try:
        token, key = create_key(name, scope)
    except InvalidKeys as error:
        fail(str(error), usage=True)
    if as_json:
        print_json({"key": token, "entry": key.entry})
        return
    typer.echo("The key, for its caller; it is not shown again:", err=True)
    typer.echo(token)
    typer.echo("The line for EABS_API_KEYS_FILE:", err=True)
    typer.echo(key.entry)
