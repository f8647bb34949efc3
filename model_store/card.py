"""A version's model card: what its manifest says, as Markdown for people."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from model_store.evaluations import AccuracyEvaluation, CertifiedEvaluation, RobustnessEvaluation
from model_store.manifest import Manifest

_QUANTILE = 1.959964  # of the standard normal distribution, at 97.5 %
_MODES: Final = {"L": "grey", "RGB": "colour"}
_NORMS: Final = {"linf": "Linf", "l2": "L2"}
_PARENT: Final = "parent."
_DIGITS: Final = len("sha256:") + 8

_LIMITS = """\
- **Robust accuracy is an upper bound.** It counts the images that these attacks could not break; a stronger attack may
  break more.
- **A certificate says that an answer stays, not that it is right**, and nothing of the decision to reject an image. It
  speaks of one classifier, and of changes up to its L2 radius in the pixels of the model's input: not of a shift, a
  turn or other light, which can be far in L2 and look harmless, nor of what happens before images are resized.
  `exact-inference` is no proof: it holds if the optimum of every class was found.
- **Every image gets a class**, whatever it shows, unless rejection is asked for. What the generators re-create well
  counts as typical: blank, faint or evenly coloured images may pass for one of the classes. A low typicality shows that
  something is wrong; a high one does not show that nothing is.
- **Images are compared by their squared L2 distance, pixel by pixel.** That suits small, centred, simple images. Of
  complex scenes the generators make blurred images, and accuracy falls behind that of other networks.
- **Cost grows with the number of classes**: every class searches for its own best image.
"""


def model_card(manifest: Manifest, *, digest: str) -> str:
    """The card of a version, `digest` being that of its manifest."""
    data = manifest.training_data
    sections = [
        _what_it_is(manifest),
        f"""## Intended use
Images like those of `{data.dataset}`, on which it was trained and measured: one object, filling the picture as it does
there. It is meant for research into robust classification, and for services whose images are of this kind. Nothing here
says that it is fit where a wrong answer does harm.
""",
        _data(manifest),
        "## Recipe\n" + _recipe(manifest.training_recipe) + _bank(manifest),
        _measured(manifest),
        "## Limits\n" + _LIMITS,
        _identity(manifest, digest),
    ]
    return "\n".join(sections)


def _what_it_is(manifest: Manifest) -> str:
    taken, classes = manifest.preprocessing, manifest.classes
    bank = "a prototype bank, which gives sound certificates" if manifest.prototypes else "no prototype bank"
    return f"""# {manifest.name}, version {manifest.version}
An E-ABS model: a classifier made to be robust. For every class it searches for the best image that the class's
generator can make of the input, and answers with the class whose image is nearest.

- takes: {_MODES[taken.mode]} images of {taken.size} x {taken.size} pixels
- answers with one of {len(classes)} classes: {", ".join(classes)}
- effort: `{manifest.default_effort}` where none is asked for
- besides: {bank}

This card says what the version's manifest says; `eabs models card {manifest.name}@{manifest.version}` prints it.
"""


def _data(manifest: Manifest) -> str:
    data = manifest.training_data
    splits = ", ".join(f"{count} for {split}" for split, count in data.splits.items()) or "not recorded"
    return f"""## Data
- data set: `{data.dataset}`
- images: {splits}
- licence: {data.licence or "not recorded"}
- to cite: {data.citation or "not recorded"}

""" + _digests(data.sources)


def _recipe(recipe: Mapping[str, object]) -> str:
    """What all runs share, and what they do not; `parent.` before a key is for the run that this one started from."""
    runs: list[dict[str, object]] = []
    for key, value in recipe.items():
        name = key
        while name.startswith(_PARENT):
            name = name.removeprefix(_PARENT)
        ago = (len(key) - len(name)) // len(_PARENT)
        runs += [{} for _ in range(ago + 1 - len(runs))]
        runs[ago][name] = value
    runs.reverse()
    names = sorted({name for run in runs for name in run})
    shared = [name for name in names if len({str(run.get(name)) for run in runs}) == 1]
    text = _table(("hyperparameter", "value"), ((name, runs[0][name]) for name in shared))
    if len(runs) <= 1:
        return text
    rows = ((name, *(_brief(run.get(name, "")) for run in runs)) for name in names if name not in shared)
    return (
        f"Trained in {len(runs)} runs, each from the weights of the one before. In each of them:\n\n{text}\n"
        "Run by run:\n\n" + _table(("hyperparameter", *(str(1 + one) for one in range(len(runs)))), rows)
    )


def _brief(value: object) -> object:
    """A digest by its first digits: the manifest has the others."""
    return f"`{value[:_DIGITS]}`..." if isinstance(value, str) and value.startswith("sha256:") else value


def _bank(manifest: Manifest) -> str:
    bank = manifest.prototypes
    if bank is None:
        return ""
    return f"\nIts bank of {bank.images} prototypes:\n\n" + _table(
        ("hyperparameter", "value"), sorted(bank.recipe.items())
    )


def _measured(manifest: Manifest) -> str:
    found = manifest.evaluations
    parts = [
        _accuracy([one for one in found if isinstance(one, AccuracyEvaluation)]),
        *(_robustness(one) for one in found if isinstance(one, RobustnessEvaluation)),
        *(_certified(one) for one in found if isinstance(one, CertifiedEvaluation)),
        _on_publishing(manifest),
    ]
    intro = "Shares of images, with 95 % intervals (Wilson's) for the choice of the images."
    if not found:
        intro = "It was published without an evaluation. What is known was measured on held-out training images."
    return "\n".join([f"## Measured\n{intro}\n", *(part for part in parts if part)])


def _accuracy(found: list[AccuracyEvaluation]) -> str:
    if not found:
        return ""
    rows = ((one.split, one.images, _listed(one.settings), _share(one.correct, one.images)) for one in found)
    return "### Accuracy\n" + _table(("split", "images", "answered by", "right"), rows)


def _robustness(found: RobustnessEvaluation) -> str:
    rows: list[tuple[object, ...]] = [
        ("none", "", "", "", _share(found.clean, found.images)),
        *(
            (name, _NORMS[one.norm], f"{one.epsilon:.4g}", _listed(one.settings), _share(one.robust, found.images))
            for name, one in found.attacks.items()
        ),
        *(
            ("the worst of them", _NORMS[one.norm], f"{one.epsilon:.4g}", "", _share(one.robust, found.images))
            for one in found.worst_case
        ),
    ]
    return (
        f"### Under attack\n{found.images} {found.split} images, drawn with seed {found.seed}. "
        f"{_listed(found.settings)}.\nAn image counts if it is classified as labelled, clean and after the attack.\n\n"
        + _table(("attack", "norm", "epsilon", "settings", "right"), rows)
    )


def _certified(found: CertifiedEvaluation) -> str:
    kind = "a proof" if found.sound else "not a proof"
    chance = " but for the chance `alpha`" if "alpha" in found.settings else ""
    how = f" {_listed(found.settings)}." if found.settings else ""
    rows = [(f"{at.radius:g}", _share(at.certified, found.images)) for at in found.radii]
    return (
        f"### Certified by {found.certificate}\n{found.images} {found.split} images; {kind}{chance}.{how} "
        f"The certified classifier is right about {_share(found.clean, found.images)}.\n\n"
        + _table(("L2 radius", "right, and certified"), rows)
    )


def _on_publishing(manifest: Manifest) -> str:
    metrics = list(manifest.metrics.items())
    if manifest.prototypes is not None:
        metrics += [(f"prototype bank: {name}", value) for name, value in manifest.prototypes.metrics.items()]
    if not metrics:
        return ""
    return "### On publishing\n" + _table(("measure", "value"), ((name, f"{value:.6g}") for name, value in metrics))


def _identity(manifest: Manifest, digest: str) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    return f"""## Identity
- published: {manifest.created:%Y-%m-%d}, with {libraries}
- digest of the version: `{digest}`, which a server's answers name as `model.digest`
- to check every file: `eabs models verify {manifest.name} {manifest.version}`

""" + _digests(manifest.files)


def _digests(files: Mapping[str, str]) -> str:
    return _table(("file", "digest"), ((name, f"`{sha256}`") for name, sha256 in files.items()))


def _share(count: int, images: int) -> str:
    """A share of images with Wilson's interval, for the choice of the images."""
    share, z2 = count / images, _QUANTILE**2
    middle, half = share + z2 / (2 * images), _QUANTILE * math.sqrt((share * (1 - share) + z2 / (4 * images)) / images)
    low, high = ((middle + side * half) / (1 + z2 / images) for side in (-1, 1))
    return f"{share:.2%} ({max(low, 0):.2%} to {min(high, 1):.2%})"


def _listed(settings: Mapping[str, object]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in settings.items() if value is not None)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(_cell(value) for value in line)} |\n" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
