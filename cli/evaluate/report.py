"""`eabs evaluate report`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import fail, print_json, stderr, stdout
from cli.evaluate.options import Json


def report(
    reports: Annotated[list[Path], typer.Argument(metavar="REPORT.json...", help="As `evaluate robustness` writes.")],
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for the tables, figures and RobustBench entries.")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Put the paper's figures beside ours, and list those far from them.")
    ] = False,
    common_images: Annotated[
        bool, typer.Option("--common-images", help="Count only the images that all of a data set's reports have.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make tables, tests and figures of robustness reports, of any number of models and data sets.

    Several reports of one model, of other attacks on the same images, are taken together. The tables are printed as
    Markdown, or written to --out as tables.md with figures and RobustBench-style entries.
    """
    # They import scipy.stats, which no other command should wait for.
    from cli.evaluate.report_files import write_files  # noqa: PLC0415
    from training.reports.columns import arranged, on_common_images, require_comparable  # noqa: PLC0415
    from training.reports.markdown import section  # noqa: PLC0415
    from training.reports.merging import merged  # noqa: PLC0415
    from training.reports.pictures import joined, read_pictures  # noqa: PLC0415
    from training.reports.report_file import ReportError, read_report  # noqa: PLC0415
    from training.reports.summary import summary  # noqa: PLC0415

    sections, summaries, written = [], [], []
    try:
        read = {path: read_report(path) for path in reports}
        for dataset in dict.fromkeys(one.dataset for one in read.values()):
            whole = {path: one for path, one in read.items() if one.dataset == dataset}
            counted = on_common_images(whole) if common_images else whole
            models = arranged(whole)
            columns = {heading: merged([counted[path] for path in files]) for heading, files in models.items()}
            require_comparable(columns)
            sections.append(section(columns, paper=paper))
            summaries.append(summary(columns, paper=paper))
            if out:
                pictures = {}
                for heading, files in models.items():
                    beside = [read_pictures(path.parent, whole[path]) for path in files]
                    if found := joined([whole[path] for path in files], beside):
                        pictures[heading] = found
                written += write_files(out, columns, pictures)
        text = "\n".join(sections)
        if out:
            tables = out / "tables.md"
            tables.write_text(text)
            written.insert(0, tables)
    except ReportError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    for path in written:
        stderr.print(str(path), highlight=False, soft_wrap=True)
    if as_json:
        print_json(summaries)
    elif not out:
        stdout.print(text, markup=False, highlight=False, soft_wrap=True, end="")
