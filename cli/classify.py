"""`eabs classify` and `eabs certify`: the server's answers about image files, without a server."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from rich.table import Table

from cli.console import fail, print_json, stderr, stdout
from cli.figure import draw_figure
from cli.options import settings_from
from eabs.settings import Effort, Solver
from model_store import ModelStore, ModelStoreError
from service.errors import ServiceError
from service.jobs import choose_settings
from service.local import certify_locally, classify_locally
from service.settings import Settings

Images = Annotated[list[Path], typer.Argument(help="PNG, JPEG or WebP files.", exists=True, dir_okay=False)]
Model = Annotated[str | None, typer.Option(help="name, name@version or name@alias [default: mnist].")]
Store = Annotated[Path | None, typer.Option(help="Model store [default: the bundled models].")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N [default: auto].")]
Json = Annotated[bool, typer.Option("--json", help="Print the server's JSON answer.")]


def classify(
    images: Images,
    model: Model = None,
    effort: Annotated[Effort | None, typer.Option(help="fast, standard or thorough [default: the model's].")] = None,
    solver: Annotated[
        Solver, typer.Option(help="quasi-newton, or adam: the paper's inference, which has no efforts.")
    ] = "quasi-newton",
    certificate: Annotated[
        Literal["none", "exact-inference"], typer.Option(help="Also certify the predictions.")
    ] = "none",
    figure: Annotated[
        Path | None, typer.Option(help="Draw the first image beside each class's re-creation of it, as a PNG.")
    ] = None,
    store: Store = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Classify image files with a model of the store, in this process."""
    try:
        choose_settings(solver, effort, default="standard")
    except ValueError as error:
        fail(str(error), usage=True)
    contents = [image.read_bytes() for image in images]
    settings = _settings(model, store, device)
    try:
        with stderr.status("classifying"):
            answer = classify_locally(
                contents,
                settings,
                effort=effort,
                solver=solver,
                certificate=certificate,
                explain=figure is not None,
            )
    except ServiceError as error:
        fail(str(error))
    if figure is not None:
        draw_figure(contents[0], answer.results[0], figure)
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    table = Table("image", "prediction", "posterior", "typicality", "radius")
    for image, result in zip(images, answer.results, strict=True):
        table.add_row(
            str(image),
            result.prediction.label,
            f"{result.classes[result.prediction.index].posterior:.3f}",
            f"{result.typicality:.3f}",
            "-" if result.certificate is None else f"{result.certificate.radius:.3f}",
        )
    stdout.print(table)


def certify(
    images: Images,
    model: Model = None,
    store: Store = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Certify image files: within which L2 distance can the prediction not change?"""
    settings = _settings(model, store, device)
    try:
        with stderr.status("certifying"):
            answer = certify_locally([image.read_bytes() for image in images], settings)
    except ServiceError as error:
        fail(str(error))
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    table = Table("image", "prediction", "radius", "nearest rival", "sound", "holds if")
    for image, result in zip(images, answer.results, strict=True):
        certificate = result.certificate
        table.add_row(
            str(image),
            result.prediction.label,
            f"{certificate.radius:.3f}",
            result.rivals[0].label,
            "yes" if certificate.sound else "no",
            certificate.assumption or certificate.reason or "",
        )
    stdout.print(table)


def _settings(model: str | None, store: Path | None, device: str | None) -> Settings:
    try:
        settings = settings_from(models=model, store=store, device=device)
        for reference in settings.references:
            ModelStore(settings.store).resolve(reference.name, reference.version)
    except ValidationError as error:
        fail(str(error), usage=True)
    except ModelStoreError as error:
        fail(str(error))
    return settings
