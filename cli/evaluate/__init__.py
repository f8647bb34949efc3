"""`eabs evaluate`: what a published model is worth on its test images."""

import typer

from cli.evaluate.accuracy import accuracy
from cli.evaluate.certificates import certificates
from cli.evaluate.certified import certified

app = typer.Typer(help="Measure a published model.", no_args_is_help=True)
for command in (accuracy, certificates, certified):
    app.command()(command)
