"""`eabs bench`: speed and memory, on this machine, now."""

import typer

from cli.bench.adversarial import adversarial
from cli.bench.arrivals import arrivals
from cli.bench.certificates import certificates
from cli.bench.classes import classes
from cli.bench.convergence import convergence
from cli.bench.engine import engine
from cli.bench.layouts import layouts
from cli.bench.load import load
from cli.bench.optimality import optimality
from cli.bench.pressure import pressure
from cli.bench.public_abs import public_abs
from cli.bench.scaling import scaling
from cli.bench.server import server
from cli.bench.solvers import solvers
from cli.bench.starts import starts

app = typer.Typer(help="Measure speed and memory on this machine.", no_args_is_help=True)
for command in (
    engine,
    certificates,
    optimality,
    convergence,
    solvers,
    starts,
    classes,
    arrivals,
    server,
    pressure,
    load,
    layouts,
    public_abs,
    adversarial,
    scaling,
):
    app.command()(command)
