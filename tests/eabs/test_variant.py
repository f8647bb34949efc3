from typing import cast

import pytest

from eabs.architecture import PRESETS
from eabs.class_networks import ClassDiscriminators, ClassEncoders
from eabs.family import build
from eabs.networks import EABS, Encoder
from eabs.settings import EFFORTS, PAPER_SETTINGS, settings_for
from eabs.variant import E_ABS, KINDS, Kind, Variant


def test_a_kinds_letters_are_its_extensions() -> None:
    flags = {kind: Variant.of(kind) for kind in KINDS}
    assert len(set(flags.values())) == len(KINDS) == 8
    assert flags["e-abs"] == E_ABS == Variant(adversarial=True, discriminative=True, variational=True)
    assert flags["abs"] == Variant(adversarial=False, discriminative=False, variational=False)
    for kind in ("a-abs", "d-abs", "v-abs", "ad-abs", "av-abs", "dv-abs"):
        variant = flags[cast("Kind", kind)]
        assert (variant.adversarial, variant.discriminative, variant.variational) == tuple(
            letter in kind.removesuffix("-abs") for letter in "adv"
        )


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'x-abs': expected one of e-abs, abs"):
        Variant.of(cast("Kind", "x-abs"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_variants_networks_are_those_of_its_extensions(kind: Kind) -> None:
    variant = Variant.of(kind)
    model = build(PRESETS["mnist"], variant)
    assert (model.discriminator is not None) == variant.adversarial
    assert isinstance(model.encoder, Encoder if variant.discriminative else ClassEncoders)
    assert isinstance(model, EABS) == (kind in ("e-abs", "ad-abs"))
    assert isinstance(model.discriminator, ClassDiscriminators) == (kind in ("a-abs", "av-abs"))


def test_a_distribution_is_inferred_as_the_paper_does_and_an_exact_latent_with_an_effort() -> None:
    for kind in ("v-abs", "av-abs", "dv-abs"):
        assert settings_for(Variant.of(cast("Kind", kind))) == PAPER_SETTINGS
    for kind in ("abs", "a-abs", "d-abs", "ad-abs", "e-abs"):
        assert settings_for(Variant.of(cast("Kind", kind)), "fast") == EFFORTS["fast"]
