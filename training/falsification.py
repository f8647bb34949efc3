"""Attacks on certificates: no attack inside a sound radius may ever change the certified prediction."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.certificates.smoothing import ABSTAIN
from training.attacks.attack import Attack
from training.attacks.ball import Ball
from training.attacks.certified import CertificateKind, CertifiedClassifier
from training.datasets import to_unit_range

_BATCH = 32


@dataclass(frozen=True)
class AttackOutcome:
    """What an attack did to the `tried` certified images, and the `seconds` that it took.

    `broken_images`: positions among all images of those where the certified classifier answers another class at the
    attacked image, in ascending order. An answer withheld breaks nothing.
    """

    tried: int
    broken_images: list[int]
    seconds: float

    @property
    def broken(self) -> int:
        """How many certificates did not hold."""
        return len(self.broken_images)


@dataclass(frozen=True)
class Falsification:
    """How a kind of certificate stood up to attacks at `share` of every radius.

    `certified` of the `images` have a radius above 0, for the class that is served; all of them were attacked.
    `mean_radius` and `median_radius` are theirs, 0 if there are none. `attacks` by name.
    """

    kind: CertificateKind
    sound: bool
    alpha: float | None
    share: float
    images: int
    certified: int
    mean_radius: float
    median_radius: float
    attacks: dict[str, AttackOutcome]

    @property
    def allowed(self) -> float | None:
        """How many breaks by one attack alpha allows on average, at most; None where it says nothing.

        The certificate may be wrong and so may the answer at the attacked image, each with a probability of alpha.
        """
        return None if self.alpha is None else 2 * self.alpha * self.certified

    @property
    def is_refuted(self) -> bool:
        """Whether a certificate that may never be wrong was: one that is a proof, inside its radius."""
        proof = self.sound and self.alpha is None and self.share <= 1
        return proof and any(found.broken for found in self.attacks.values())


def falsify(
    classifier: CertifiedClassifier,
    images: Tensor,
    attacks: Mapping[str, Attack],
    *,
    share: float = 0.99,
    advance: Callable[[int], None] = lambda _: None,
) -> Falsification:
    """Certifies images, attacks every certified one at `share` of its radius, and asks the certified classifier.

    Args:
        classifier: what is attacked.
        images: (N, C, H, W) uint8.
        attacks: by name.
        share: of the radius, above 0. Beyond 1 nothing was promised, and attacks show there what they can find.
        advance: told how many images are done.

    Raises:
        ValueError: `share` is not above 0, or there are no images.
    """
    if not share > 0:
        raise ValueError(f"share: expected a number above 0, got {share}")
    if len(images) == 0:
        raise ValueError("images: expected at least one")
    radii: list[Tensor] = []
    broken: dict[str, list[int]] = {name: [] for name in attacks}
    seconds = dict.fromkeys(attacks, 0.0)
    for start in range(0, len(images), _BATCH):
        batch = to_unit_range(images[start : start + _BATCH]).to(classifier.device)
        predictions, found = (part.cpu() for part in classifier.certify(batch))
        certified = ((found > 0) & (classifier.serve(batch).cpu() == predictions)).nonzero().squeeze(1)
        radii.append(found[certified].double())
        if len(certified):
            originals, labels = batch[certified.to(batch.device)], predictions[certified]
            # No two images are further apart than the box's corners, whatever a radius says.
            limits = (share * radii[-1]).clamp_max(originals[0].numel() ** 0.5)
            ball = Ball("l2", limits.to(batch.device))
            for name, attack in attacks.items():
                began = time.perf_counter()
                attacked = attack(classifier.logits, originals, labels.to(batch.device), ball)
                seconds[name] += time.perf_counter() - began
                # Whatever an attack promises: only what lies inside counts.
                answers = classifier.predict(ball.confine(originals, attacked)).cpu()
                changed = (answers != labels) & (answers != ABSTAIN)
                broken[name] += (start + certified[changed]).tolist()
        advance(len(batch))
    every = torch.cat(radii)
    return Falsification(
        kind=classifier.kind,
        sound=classifier.sound,
        alpha=classifier.alpha,
        share=share,
        images=len(images),
        certified=len(every),
        mean_radius=every.mean().item() if len(every) else 0.0,
        median_radius=every.median().item() if len(every) else 0.0,
        attacks={name: AttackOutcome(len(every), broken[name], seconds[name]) for name in attacks},
    )
