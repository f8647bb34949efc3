"""`eabs data`: one verified file of a data set's official files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID

from cli.console import download_bar, fail, print_json, stderr, stdout
from training.datasets import CLASS_LABELS, DatasetError
from training.datasets.download import download
from training.datasets.prepare import MissingFile, is_part, missing_files, prepare
from training.datasets.prepared_file import Description
from training.datasets.source_files import file_digest

app = typer.Typer(help="Download and prepare data sets.", no_args_is_help=True)


@app.callback()
def data() -> None:
    """Download and prepare data sets."""


@app.command("prepare")
def prepare_dataset(
    dataset: Annotated[str, typer.Argument(help=f"{', '.join(CLASS_LABELS)}.")],
    folder: Annotated[Path, typer.Option("--data", help="Folder with the data set's official files.")],
    out: Annotated[Path, typer.Option(help="The file to write; replaced if it is there.")],
    download_missing: Annotated[
        bool, typer.Option("--download", help="Download the files that are missing into the folder.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was prepared as JSON.")] = False,
) -> None:
    """Verify a data set's official files and write them into one file, which every --data option accepts."""
    if dataset not in CLASS_LABELS:
        fail(f"unknown data set {dataset!r}: expected one of {', '.join(CLASS_LABELS)}", usage=True)
    if out.is_dir():
        fail(f"{out}: expected a file to write, got a folder", usage=True)
    try:
        missing = missing_files(dataset, folder)
        if missing and not download_missing:
            fail(_where_to_get(dataset, folder, missing))
        _download(missing)
        description = prepare(dataset, folder, out)
        sha256 = "sha256:" + file_digest(out, "sha256")
    except DatasetError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on with the downloads where they are")
    if as_json:
        print_json(
            {
                "dataset": description.name,
                "file": str(out),
                "sha256": sha256,
                "images": description.splits,
                "part": is_part(description),
                "classes": description.classes,
                "sources": {name: source.model_dump(mode="json") for name, source in description.sources.items()},
            }
        )
    else:
        _print(description, out)


def _where_to_get(dataset: str, folder: Path, missing: list[MissingFile]) -> str:
    lines = [f"{folder}: {len(missing)} of the official files of {dataset} are missing; --download gets them"]
    for one in missing:
        published = "" if one.file.md5 is None else f" (md5 {one.file.md5})"
        lines += [f"  {one.folder / one.file.name}{published}", *(f"    {url}" for url in one.file.urls)]
    return "\n".join(lines)


def _download(missing: list[MissingFile]) -> None:
    with download_bar() as bar:
        for one in missing:
            task = bar.add_task(one.file.name, total=None)

            def show(done: int, total: int | None, task: TaskID = task) -> None:
                bar.update(task, completed=done, total=total)

            path = download(one.file, one.folder, show)
            if not stderr.is_terminal:
                stderr.print(f"downloaded {path}", highlight=False, soft_wrap=True)


def _print(description: Description, out: Path) -> None:
    for name, source in description.sources.items():
        stdout.print(f"{name}: {source.verification}", highlight=False, soft_wrap=True)
    counts = ", ".join(f"{count} {part}" for part, count in description.splits.items())
    part = ", a part of the published set" if is_part(description) else ""
    stdout.print(f"{out}: {description.name}, {counts} images{part}", highlight=False, soft_wrap=True)
