"""The family that E-ABS ends: ABS with any of the paper's three extensions (section 4.4 of Ju & Wagner, AISec 2020).

    A, adversarial prior   a latent discriminator says how far a latent is from the prior, -log D(z); without it the
                           KL divergence of a VAE does, and of an exact z its square.
    D, discriminative loss one encoder for all classes, and cross-entropy (4) over all decoders; without it every class
                           has an encoder of its own, and a discriminator where there are any, and sees its own images.
    V, variational         latent inference optimises a distribution N(mu, Sigma); without it a latent z itself.

ABS (Schott et al., ICLR 2019) has none of them, E-ABS all three. V is about inference alone: what is trained is the
same with and without it.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["e-abs", "abs", "a-abs", "d-abs", "v-abs", "ad-abs", "av-abs", "dv-abs"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Variant:
    """Which of the three extensions a model has."""

    adversarial: bool
    discriminative: bool
    variational: bool

    @classmethod
    def of(cls, kind: Kind) -> "Variant":
        """The variant of that name: the letters of its extensions before `-abs`; `e-abs` has all of them.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind of model {kind!r}: expected one of {', '.join(KINDS)}")
        letters = "adv" if kind == "e-abs" else kind.removesuffix("abs")
        return cls("a" in letters, "d" in letters, "v" in letters)


E_ABS = Variant(adversarial=True, discriminative=True, variational=True)
