"""`eabs evaluate certificates`."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, get_args

import typer
from rich.table import Table

from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import Data, Device, Json, Model, SplitName, chosen_images, identity
from cli.options import BUNDLED_STORE, Store
from cli.published import load_published
from eabs.certificates.smoothing import SmoothingSettings
from eabs.cores import physical_cores
from model_store import default_cache, prepare_inference
from training.attacks.certified import CertificateKind, certified_classifier, kinds_of
from training.datasets import to_unit_range
from training.falsification import Falsification, falsify

_KINDS: tuple[CertificateKind, ...] = get_args(CertificateKind)
_POOL = 100  # images that an attack may start from


def certificates(
    model: Model,
    data: Data,
    store: Store = BUNDLED_STORE,
    certificate: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(_KINDS)}; repeatable. All that the model has, if left out."),
    ] = None,
    split: SplitName = "test",
    images: Annotated[int, typer.Option(min=1, help="Only the first so many.")] = 500,
    share: Annotated[float, typer.Option(min=0.01, help="Of its radius, at which an image is attacked.")] = 0.99,
    sigma: Annotated[
        float, typer.Option(help="smoothing: standard deviation of the noise, in [0, 1] pixels.")
    ] = SmoothingSettings.sigma,
    n: Annotated[
        int,
        typer.Option(help="smoothing: samples of an answer; without a bank, minutes an image."),
    ] = SmoothingSettings.n,
    alpha: Annotated[float, typer.Option(help="smoothing: chance that one is wrong.")] = SmoothingSettings.alpha,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Attack certified images inside their radii; exit 1 if a certificate that is a proof does not hold."""
    # It imports Foolbox, which no other command should wait for.
    from training.attacks.standard import standard_attacks  # noqa: PLC0415

    if unknown := set(certificate or ()).difference(_KINDS):
        fail(f"certificate: expected {', '.join(_KINDS)}, got {', '.join(sorted(unknown))}", usage=True)
    try:
        smoothing = SmoothingSettings(sigma=sigma, n=n, alpha=alpha)
    except ValueError as error:
        fail(str(error), usage=True)
    loaded = load_published(model, store, device=device)
    pixels = chosen_images(loaded, data, split, max(images, _POOL)).images
    inference = prepare_inference(loaded, cache=default_cache(), threads=physical_cores())
    kinds = [kind for kind in _KINDS if kind in (certificate or kinds_of(loaded))]
    try:
        classifiers = [certified_classifier(kind, loaded, inference, smoothing) for kind in kinds]
    except ValueError as error:
        fail(str(error), usage=True)
    attacks = standard_attacks(to_unit_range(pixels[:_POOL]).to(inference.device))
    pixels = pixels[:images]
    results = []
    with progress_bar() as bar:
        for classifier in classifiers:
            task = bar.add_task(classifier.kind, total=len(pixels), note="")
            advance = partial(bar.advance, task)
            results.append(falsify(classifier, pixels, attacks, share=share, advance=advance))
    if as_json:
        chosen = asdict(smoothing) if "smoothing" in kinds else None
        certificates = [_as_json(found) for found in results]
        print_json({"model": identity(loaded), "split": split, "smoothing": chosen, "certificates": certificates})
    else:
        for found in results:
            _print(found)
    refuted = [found.kind for found in results if found.is_refuted]
    if refuted:
        fail(f"a sound certificate does not hold: {', '.join(refuted)}")


def _as_json(found: Falsification) -> dict[str, Any]:
    result = asdict(found) | {"allowed": found.allowed, "is_refuted": found.is_refuted}
    for name, outcome in found.attacks.items():
        result["attacks"][name]["broken"] = outcome.broken
    return result


def _print(found: Falsification) -> None:
    stdout.print(
        f"{found.kind}, {_promise(found)}: {found.certified} of {found.images} images certified, "
        f"mean radius {found.mean_radius:.3f}, median {found.median_radius:.3f}, attacked at {found.share:g} of it",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("attack", "tried", "broken", "ms an image")
    for name, outcome in found.attacks.items():
        pace = f"{1000 * outcome.seconds / outcome.tried:.0f}" if outcome.tried else "-"
        table.add_row(name, str(outcome.tried), str(outcome.broken), pace)
    stdout.print(table)


def _promise(found: Falsification) -> str:
    if not found.sound:
        return "not sound"
    if found.allowed is None:
        return "sound"
    return f"sound but for alpha = {found.alpha:g}, which allows {found.allowed:.1f} breaks by an attack on average"
