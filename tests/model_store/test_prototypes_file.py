import pytest
import safetensors.torch
import torch
from torch import Tensor

from eabs.prototypes import PrototypeBank
from model_store.errors import InvalidWeights
from model_store.prototypes_file import prototypes_from_bytes, prototypes_to_bytes
from tests.model_store.small import small_bank

SHAPE = (1, 8, 8)


def test_a_loaded_bank_is_the_one_that_was_saved() -> None:
    bank = small_bank()
    loaded = prototypes_from_bytes(prototypes_to_bytes(bank), shape=SHAPE, classes=3)
    for name in ("images", "offsets", "classes"):
        assert torch.equal(getattr(loaded, name), getattr(bank, name))
    assert loaded.shape == SHAPE


def test_a_bank_that_is_not_float16_is_not_rounded_but_refused() -> None:
    images = torch.rand(3, *SHAPE)
    with pytest.raises(InvalidWeights, match=r"expected images that are torch.float16 numbers"):
        prototypes_to_bytes(PrototypeBank(images, torch.zeros(3), torch.arange(3)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"images": torch.zeros(4, *SHAPE)}, "expected tensors"),
        ({"images": torch.zeros(4, *SHAPE).half() / 0}, "expected finite prototypes"),
        ({"extra": torch.zeros(1)}, "expected tensors"),
        ({"classes": torch.tensor([0, 0, 2, 1])}, "classes: expected"),
        ({"classes": torch.tensor([0, 0, 1, 1])}, "in 3 classes, got .* in 2"),
        ({"images": torch.zeros(4, 1, 4, 4).half()}, r"expected prototypes of shape \(1, 8, 8\)"),
    ],
)
def test_what_is_no_bank_of_the_model_is_refused(changes: dict[str, Tensor], complaint: str) -> None:
    tensors = {
        "images": torch.zeros(4, *SHAPE).half(),
        "offsets": torch.zeros(4),
        "classes": torch.tensor([0, 1, 1, 2]),
    }
    with pytest.raises(InvalidWeights, match=complaint):
        prototypes_from_bytes(safetensors.torch.save(tensors | changes), shape=SHAPE, classes=3, file="a bank")


def test_bytes_of_no_safetensors_file_are_refused() -> None:
    with pytest.raises(InvalidWeights, match="a bank: expected a safetensors file"):
        prototypes_from_bytes(b"no", shape=SHAPE, classes=3, file="a bank")
