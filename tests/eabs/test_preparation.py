import torch

from eabs.architecture import PRESETS
from eabs.decoding import FoldedDecoders
from eabs.networks import EABS
from eabs.penalty import FoldedDiscriminator
from eabs.preparation import Preparation, prepare


def test_the_preparation_does_not_depend_on_the_number_of_threads(mnist_model: EABS) -> None:
    def prepared(threads: int) -> Preparation:
        return prepare(
            FoldedDecoders.fold(mnist_model.decoders),
            FoldedDiscriminator(mnist_model.discriminator, 1.0),
            candidates=40,
            seed=0,
            threads=threads,
        )

    one, three = prepared(1), prepared(3)
    assert one.metric.shape == (PRESETS["mnist"].classes, 10, 10)
    assert torch.equal(one.metric, three.metric)
    for name in ("latents", "penalties", "mean", "components", "coordinates", "norms", "residuals"):
        assert torch.equal(getattr(one.bank, name), getattr(three.bank, name)), name
