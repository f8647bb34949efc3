"""What the subcommands share of the terminal: progress bars, errors, JSON."""

import json
import sys
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

stdout = Console()
stderr = Console(stderr=True)


def fail(message: str, *, usage: bool = False) -> NoReturn:
    """Ends the command with a message on standard error: exit 1, or 2 where the call itself was wrong."""
    stderr.print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2 if usage else 1)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def progress_bar() -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    return _bar(MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))


def download_bar() -> Progress:
    """A progress bar of bytes on standard error; silent where that is no terminal."""
    return _bar(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())


def _bar(*measures: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), *measures)
    return Progress(*columns, console=stderr, disable=not stderr.is_terminal)
