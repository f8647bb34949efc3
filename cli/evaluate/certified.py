"""`eabs evaluate certified`."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import Data, Device, Json, Model, SplitName, chosen_images, identity
from cli.options import BUNDLED_STORE, Store
from cli.published import load_published
from eabs.certificates.smoothing import SmoothingSettings
from eabs.cores import physical_cores
from model_store import LoadedModel, default_cache, prepare_inference
from service.jobs import Classifier
from training.attacks.certified import CertificateKind, certified_classifier
from training.certified_accuracy import CertifiedAccuracy, measure_bank, measure_certified_accuracy
from training.datasets import Split


def certified(
    model: Model,
    data: Data,
    certificate: Annotated[CertificateKind, typer.Option(help="exact-inference, finite-bank or smoothing.")],
    store: Store = BUNDLED_STORE,
    base: Annotated[
        Classifier | None,
        typer.Option(
            help="smoothing: the classifier that is smoothed, latent inference of effort fast or the prototype bank. "
            "The bank, as the server does, where the model has one, if left out."
        ),
    ] = None,
    split: SplitName = "test",
    images: Annotated[int, typer.Option(min=1, help="Only the first so many.")] = 500,
    sigma: Annotated[
        float, typer.Option(help="smoothing: standard deviation of the noise, in [0, 1] pixels.")
    ] = SmoothingSettings.sigma,
    n0: Annotated[int, typer.Option(help="smoothing: samples that choose the class.")] = SmoothingSettings.n0,
    n: Annotated[
        int, typer.Option(help="smoothing: samples of its probability; of latent inference, minutes an image.")
    ] = SmoothingSettings.n,
    alpha: Annotated[float, typer.Option(help="smoothing: chance that one is wrong.")] = SmoothingSettings.alpha,
    seed: Annotated[int, typer.Option(help="smoothing: of the noise.")] = SmoothingSettings.seed,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Certify a split and count how many images are right, and certified to be, at which radius."""
    if base and certificate != "smoothing":
        fail(f"base: expected none with {certificate}, which smooths nothing, got {base}", usage=True)
    try:
        smoothing = SmoothingSettings(sigma=sigma, n0=n0, n=n, alpha=alpha, seed=seed)
    except ValueError as error:
        fail(str(error), usage=True)
    loaded = load_published(model, store, device=device)
    manifest = loaded.manifest
    if loaded.prototypes is None and "finite-bank" in (certificate, base):
        fail(f"{manifest.name} version {manifest.version} has no prototype bank")
    if certificate == "smoothing":
        base = base or ("finite-bank" if loaded.prototypes else "latent")
    chosen = chosen_images(loaded, data, split, images)
    with progress_bar() as bar:
        task = bar.add_task(certificate, total=len(chosen), note="")
        found = _measure(certificate, loaded, base, smoothing, chosen, partial(bar.advance, task))
    result = {
        "model": identity(loaded),
        "split": split,
        "certificate": certificate,
        "sound": certificate != "exact-inference",
        "base": base,
        "smoothing": asdict(smoothing) if certificate == "smoothing" else None,
        **asdict(found),
        "ms_per_image": _pace(found),
    }
    if as_json:
        print_json(result)
    else:
        by = f"{certificate}{_promise(certificate, base, smoothing)}"
        stdout.print(
            f"{manifest.name} version {manifest.version}, {by}: {found.clean:.2%} of {found.images} {split} images "
            f"right, {found.abstained:.2%} abstained from, median radius {found.median_radius:.3f}, "
            f"{_pace(found):.1f} ms an image",
            highlight=False,
            soft_wrap=True,
        )
        table = Table("radius", "certified")
        for radius, share in found.certified.items():
            table.add_row(f"{radius:g}", f"{share:.2%}")
        stdout.print(table)


def _measure(
    certificate: CertificateKind,
    loaded: LoadedModel,
    base: Classifier | None,
    smoothing: SmoothingSettings,
    split: Split,
    advance: Callable[[int], None],
) -> CertifiedAccuracy:
    if certificate == "finite-bank" and loaded.prototypes:
        return measure_bank(loaded.prototypes, split, advance)
    inference = prepare_inference(loaded, cache=default_cache(), threads=physical_cores())
    # Where latent inference is to be smoothed, the bank that would be is left out.
    smoothed = replace(loaded, prototypes=None) if base == "latent" else loaded
    classifier = certified_classifier(certificate, smoothed, inference, smoothing)
    if certificate == "smoothing":
        # Its batches are of samples, so images go one by one.
        return measure_certified_accuracy(classifier.certify, split, batch=1, advance=advance)
    return measure_certified_accuracy(classifier.certify, split, advance=advance)


def _promise(certificate: CertificateKind, base: Classifier | None, smoothing: SmoothingSettings) -> str:
    if certificate == "finite-bank":
        return ", sound"
    if certificate == "exact-inference":
        return ", not sound"
    s = smoothing
    return f" of {base}, sound but for alpha = {s.alpha:g}, sigma {s.sigma:g}, n0 {s.n0}, n {s.n}, seed {s.seed}"


def _pace(found: CertifiedAccuracy) -> float:
    return 1000 * found.seconds / found.images
