"""`eabs evaluate`: what a model is worth on its test images."""

import typer

from cli.evaluate.accuracy import accuracy
from cli.evaluate.certificates import certificates
from cli.evaluate.certified import certified
from cli.evaluate.convergence import convergence
from cli.evaluate.out_of_distribution import out_of_distribution
from cli.evaluate.report import report
from cli.evaluate.robustness import robustness

app = typer.Typer(help="Measure a model.", no_args_is_help=True)
for command in (accuracy, certificates, certified, convergence, out_of_distribution, robustness, report):
    app.command()(command)
