"""`eabs reference`: what can be set and asked for, as Markdown; `scripts/docs` keeps it in docs/."""

import sys

import typer

from cli.reference.api import api_page
from cli.reference.configuration import configuration_page

app = typer.Typer(name="reference", help="Print the reference of this version as Markdown.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Print the reference of this version as Markdown."""


@app.command()
def configuration() -> None:
    """Every setting: its variable, its values, its default, what it is."""
    sys.stdout.write(configuration_page())


@app.command()
def api() -> None:
    """Every route: its parameters, body, answer, errors and an example."""
    sys.stdout.write(api_page())
