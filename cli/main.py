"""The `eabs` command."""

import os

# Before torch starts its threads: two torch processes on one machine then share its cores fairly.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from importlib.metadata import version
from typing import Annotated

import typer

from cli import bench, data, evaluate, keys, models, prototypes, reference
from cli.classify import certify, classify
from cli.serve import serve
from cli.train import train

app = typer.Typer(
    name="eabs",
    help="Robust image classification by analysis-by-synthesis: serve, classify, certify, train, publish.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:  # noqa: FBT001 - typer passes an option's value by position
    if wanted:
        typer.echo(f"eabs {version('eabs-server')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Robust image classification by analysis-by-synthesis."""


for command in (serve, classify, certify, train):
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(prototypes.app, name="prototypes")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(bench.app, name="bench")
app.add_typer(reference.app, name="reference")


def main() -> None:
    """Entry point of the installed command."""
    app()


if __name__ == "__main__":
    main()
