"""`eabs classify` and `eabs certify`: the server's answers about image files, without a server.

With `--input`, `eabs classify` is bulk scoring (`cli/bulk.py`), with `--url` it asks a server (`cli/remote.py`).
"""

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError
from rich.table import Table

from cli.bulk import classify_in_bulk
from cli.certificate_figure import draw_certificates
from cli.console import fail, print_json, stderr, stdout
from cli.figure import draw_figure
from cli.options import settings_from
from cli.remote import classify_remotely
from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import Effort, Solver
from model_store import ModelStore, ModelStoreError, StoreUnreachable
from service.choices import CertificateChoice, ClassifyChoice
from service.errors import ServiceError
from service.jobs import Classifier, Method, choose_settings
from service.local import certify_and_compare_locally, certify_locally, classify_locally
from service.schemas import Certificate, ClassifyAnswer
from service.settings import Settings

Images = Annotated[list[Path], typer.Argument(help="PNG, JPEG or WebP files.", exists=True, dir_okay=False)]
Model = Annotated[str | None, typer.Option(help="name, name@version or name@alias [default: mnist].")]
Store = Annotated[str | None, typer.Option(help="Model store, a folder or a URL [default: the bundled models].")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N [default: auto].")]
Json = Annotated[bool, typer.Option("--json", help="Print the server's JSON answer.")]
Decider = Annotated[Classifier, typer.Option(help="latent, or finite-bank: the nearest prototype of the model's bank.")]
Bracket = Annotated[
    bool, typer.Option("--bracket", help="Also attack: the size of the smallest adversarial perturbation found.")
]
Sigma = Annotated[float | None, typer.Option(help="smoothing: std of the noise, in [0, 1] pixels [default: 0.5].")]
N0 = Annotated[int | None, typer.Option(min=1, help="smoothing: samples that select the class [default: 100].")]
N = Annotated[int | None, typer.Option(min=1, help="smoothing: samples that estimate it [default: 10000].")]
Alpha = Annotated[float | None, typer.Option(help="smoothing: chance that it does not hold [default: 0.001].")]
Seed = Annotated[int | None, typer.Option(min=0, help="smoothing: of the noise [default: drawn anew].")]


def _in_a_folder(figure: Path | None) -> Path | None:
    # Told before the minutes of work, not after.
    if figure is not None and not figure.parent.is_dir():
        raise typer.BadParameter(f"expected a file in a folder that exists, got {figure}")
    return figure


def classify(
    images: Annotated[
        list[Path] | None, typer.Argument(help="PNG, JPEG or WebP files.", exists=True, dir_okay=False)
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--input", help="Instead of IMAGES, many: a folder, an .npz or a .parquet file.", exists=True),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            callback=_in_a_folder,
            dir_okay=False,
            help="With --input: the Parquet file that is written, or gone on with.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --input: forget what is there of the output, and start anew.")
    ] = False,
    model: Model = None,
    effort: Annotated[Effort | None, typer.Option(help="Of the quasi-Newton method [default: the model's].")] = None,
    solver: Annotated[
        Solver, typer.Option(help="quasi-newton, or adam: the paper's inference, which has no efforts.")
    ] = "quasi-newton",
    classifier: Decider = "latent",
    certificate: Annotated[
        Literal["none", "exact-inference", "finite-bank", "smoothing"],
        typer.Option(help="Also certify the predictions, and how."),
    ] = "none",
    reject: Annotated[
        bool, typer.Option("--reject", help="Predict no class where the image is out of distribution.")
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            callback=_in_a_folder, help="Draw the first image beside each class's re-creation of it, as a PNG."
        ),
    ] = None,
    ray: Annotated[
        bool, typer.Option("--ray", help="With --input: on the Ray cluster that RAY_ADDRESS names, or a local one.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="A server that is asked instead: http://host:port. --model is its model then.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="EABS_CLIENT_KEY", help="With --url: the API key.", show_envvar=True)
    ] = None,
    store: Store = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Classify image files with a model of the store, in this process, or by a server."""
    if (source is None) == (not images):
        fail("expected IMAGES or --input, and not both", usage=True)
    if (source is None) != (output is None) or ((overwrite or ray) and source is None):
        fail("--output, --overwrite, --ray: expected with --input, and --input with --output", usage=True)
    if source is not None and figure is not None:
        fail("--figure: expected none with --input", usage=True)
    if url is not None and (source, store, device) != (None, None, None):
        fail("--input, --store, --device: expected none with --url, whose server has its own", usage=True)
    if classifier == "finite-bank" and (effort is not None or solver != "quasi-newton"):
        fail("effort, solver: expected neither with the classifier finite-bank, which optimises nothing", usage=True)
    try:
        choose_settings(solver, effort, default="standard")
        certified = None if certificate == "none" else CertificateChoice(certificate)
    except ValueError as error:
        fail(str(error), usage=True)
    choice = ClassifyChoice(classifier, effort, solver, certified, explain=figure is not None, reject=reject)
    if source is not None and output is not None:
        settings = _settings(model, store, device)
        classify_in_bulk(source, output, settings, choice=choice, overwrite=overwrite, on_ray=ray, as_json=as_json)
        return
    files = images or []
    contents = [image.read_bytes() for image in files]
    with stderr.status("classifying"):
        if url is not None:
            answer = classify_remotely(contents, url, model=model, choice=choice, api_key=api_key)
        else:
            answer = _classify_here(contents, _settings(model, store, device), choice)
    if figure is not None:
        draw_figure(contents[0], answer.results[0], figure)
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    table = Table("image", "prediction", "posterior", "typicality", "in distribution", "radius")
    for image, result in zip(files, answer.results, strict=True):
        predicted = result.prediction
        table.add_row(
            str(image),
            "rejected" if predicted is None else predicted.label,
            "-" if predicted is None else f"{result.classes[predicted.index].posterior:.3f}",
            f"{result.typicality:.3f}",
            "no" if result.out_of_distribution else "yes",
            "-" if result.certificate is None else f"{result.certificate.radius:.3f}",
        )
    stdout.print(table)


def certify(
    images: Images,
    model: Model = None,
    method: Annotated[Method, typer.Option(help="Which certificate.")] = "exact-inference",
    classifier: Decider = "latent",
    bracket: Bracket = False,
    sigma: Sigma = None,
    n0: N0 = None,
    n: N = None,
    alpha: Alpha = None,
    seed: Seed = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            callback=_in_a_folder,
            help="Draw every certificate of the first image, with attacks, as a PNG. Smoothing a model without a "
            "prototype bank takes minutes; a smaller --n takes less.",
        ),
    ] = None,
    store: Store = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Certify image files: within which L2 distance can the prediction not change?"""
    smoothing = {"sigma": sigma, "n0": n0, "n": n, "alpha": alpha, "seed": seed}
    choice = _choice(method, bracket=bracket, smooths=method == "smoothing" or figure is not None, **smoothing)
    contents = [image.read_bytes() for image in images]
    settings = _settings(model, store, device)
    try:
        with stderr.status("certifying"):
            if figure is None:
                answer = certify_locally(contents, settings, choice=choice, classifier=classifier)
            else:
                # One seed, so that the answer and the figure tell of the same noise.
                seeded = choice if choice.seed is not None else replace(choice, seed=secrets.randbits(32))
                answer, compared = certify_and_compare_locally(contents, settings, choice=seeded, classifier=classifier)
                draw_certificates(contents[0], compared, figure)
    except ServiceError as error:
        fail(str(error))
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    table = Table("image", "prediction", "radius", *["attacked at"][: int(bracket)], "nearest rival", "sound", "note")
    for image, result in zip(images, answer.results, strict=True):
        certificate = result.certificate
        attacked = certificate.attack_upper_bound
        table.add_row(
            str(image),
            "abstains" if result.prediction is None else result.prediction.label,
            f"{certificate.radius:.3f}",
            *["-" if attacked is None else f"{attacked:.3f}"][: int(bracket)],
            result.rivals[0].label if result.rivals else "-",
            _soundness(certificate),
            certificate.reason or (certificate.assumption and f"if {certificate.assumption}") or "",
        )
    stdout.print(table)


def _classify_here(contents: list[bytes], settings: Settings, choice: ClassifyChoice) -> ClassifyAnswer:
    try:
        return classify_locally(contents, settings, choice=choice)
    except ServiceError as error:
        fail(str(error))


def _choice(method: Method, *, bracket: bool, smooths: bool, **smoothing: Any) -> CertificateChoice:
    given = {name: value for name, value in smoothing.items() if value is not None}
    if given and not smooths:
        fail(f"--{min(given)}: expected only with --method smoothing or --figure, got it with {method}", usage=True)
    try:
        SmoothingSettings(**given)
    except ValueError as error:
        fail(str(error), usage=True)
    return CertificateChoice(method, bracket=bracket, **given)


def _soundness(certificate: Certificate) -> str:
    if certificate.confidence is not None:
        return f"with confidence {certificate.confidence:g}"
    return "yes" if certificate.sound else "no"


def _settings(model: str | None, store: str | None, device: str | None) -> Settings:
    try:
        settings = settings_from(models=model, store=store, device=device)
        for reference in settings.references:
            ModelStore(settings.store).resolve(reference.name, reference.version)
    except ValidationError as error:
        fail(str(error), usage=True)
    except StoreUnreachable:
        # Loading has the last word: the version may be in the cache.
        return settings
    except ModelStoreError as error:
        fail(str(error))
    return settings
