from dataclasses import replace

import pytest

from eabs.architecture import PRESETS, ConvLayer

TABLE_9 = {
    "mnist": ((1, 28, 28), 10, 576, (14, 7, 4, 3), (4, 11, 25, 28, 28), (256, 128)),
    "fashion_mnist": ((1, 28, 28), 10, 576, (14, 7, 4, 3), (4, 11, 25, 28, 28), (256, 128)),
    "supertraffic10": ((3, 32, 32), 16, 128, (16, 8, 4, 1), (4, 8, 16, 32, 32), (256, 128)),
    "svhn": ((3, 32, 32), 40, 128, (16, 8, 4, 1), (4, 8, 16, 32, 32), (512, 256)),
}


def test_every_preset_of_table_9_is_there() -> None:
    assert set(PRESETS) == set(TABLE_9)


@pytest.mark.parametrize("name", sorted(TABLE_9))
def test_preset_has_the_shapes_of_table_9(name: str) -> None:
    preset = PRESETS[name]
    image, latent, features, encoded, decoded, discriminator = TABLE_9[name]
    assert preset.image == image
    assert preset.classes == 10
    assert preset.latent == latent
    assert preset.encoder_features == features
    assert preset.encoded_sizes == encoded
    assert preset.decoded_sizes == decoded
    assert preset.discriminator == discriminator


def test_a_decoder_that_misses_the_image_is_refused() -> None:
    preset = PRESETS["mnist"]
    with pytest.raises(ValueError, match=r"decoder: expected an output of \(1, 28, 28\), got \(1, 29, 29\)"):
        replace(preset, decoder=(*preset.decoder[:-1], ConvLayer(1, 2, 1, 0)))


def test_an_oblong_image_is_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        replace(PRESETS["mnist"], image=(1, 28, 32))


def test_a_single_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2, got 1"):
        PRESETS["mnist"].with_classes(1)
