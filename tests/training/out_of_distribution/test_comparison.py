import pytest
import torch
from torch import Tensor

from training.out_of_distribution.comparison import compare, spread
from training.out_of_distribution.judges import Advance, Judgement, Judgements


def by_brightness(images: Tensor, advance: Advance) -> Judgements:
    advance(len(images))
    brightness = images.flatten(1).mean(1).double()
    return {"brightness": Judgement(brightness, brightness > 0.8), "darkness": Judgement(-brightness, None)}


def images(*levels: float) -> Tensor:
    return torch.tensor(levels)[:, None, None, None].expand(-1, 1, 2, 2)


def test_every_measure_is_compared_with_every_set() -> None:
    done: list[int] = []
    inside = images(0.1, 0.2, 0.3, 0.9)
    outside = {"bright": images(0.85, 1.0), "dark": images(0.0)}
    found = compare(by_brightness, inside, outside, advance=done.append)
    assert sum(done) == 7
    brightness = found["brightness"]
    assert (brightness.images, brightness.rejected) == (4, 0.25)
    bright, dark = brightness.against["bright"], brightness.against["dark"]
    assert (bright.images, bright.auroc, bright.false_positive_rate, bright.rejected) == (2, 7 / 8, 0.5, 1.0)
    assert (dark.images, dark.auroc, dark.false_positive_rate, dark.rejected) == (1, 0.0, 1.0, 0.0)
    assert found["darkness"].rejected is None
    assert found["darkness"].against["dark"].auroc == 1
    assert found["darkness"].against["dark"].rejected is None


def test_of_many_images_some_are_taken_from_everywhere() -> None:
    many = torch.arange(10)
    assert spread(many, 5).tolist() == [0, 2, 4, 6, 8]
    assert spread(many, 3).tolist() == [0, 3, 6]
    assert spread(many, 10).tolist() == spread(many, None).tolist() == spread(many, 99).tolist() == many.tolist()


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        compare(by_brightness, images(0.1), {"nothing": images()})
