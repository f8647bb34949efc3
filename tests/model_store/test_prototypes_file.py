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
    for name in ("points", "basis", "offsets", "classes"):
        assert torch.equal(getattr(loaded, name), getattr(bank, name))
    assert loaded.shape == SHAPE


def test_a_bank_that_is_not_float16_is_not_rounded_but_refused() -> None:
    bank = PrototypeBank.of_images(torch.rand(3, *SHAPE), torch.zeros(3), torch.arange(3))
    with pytest.raises(InvalidWeights, match=r"expected points that are torch.float16 numbers"):
        prototypes_to_bytes(bank)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"points": torch.zeros(4, 2)}, "expected tensors"),
        ({"points": torch.zeros(4, 2).half() / 0}, "expected finite prototypes"),
        ({"points": torch.zeros(4, 3).half()}, "expected points"),
        ({"basis": torch.ones(2, *SHAPE)}, "linearly independent"),
        ({"extra": torch.zeros(1)}, "expected tensors"),
        ({"classes": torch.tensor([0, 0, 2, 1])}, "classes: expected"),
        ({"classes": torch.tensor([0, 0, 1, 1])}, "in 3 classes, got .* in 2"),
        ({"basis": torch.eye(2, 16).view(2, 1, 4, 4)}, r"expected prototypes of shape \(1, 8, 8\)"),
    ],
)
def test_what_is_no_bank_of_the_model_is_refused(changes: dict[str, Tensor], complaint: str) -> None:
    tensors = {
        "points": torch.zeros(4, 2).half(),
        "basis": torch.eye(2, 64).view(2, *SHAPE),
        "offsets": torch.zeros(4),
        "classes": torch.tensor([0, 1, 1, 2]),
    }
    with pytest.raises(InvalidWeights, match=complaint):
        prototypes_from_bytes(safetensors.torch.save(tensors | changes), shape=SHAPE, classes=3, file="a bank")


def test_bytes_of_no_safetensors_file_are_refused() -> None:
    with pytest.raises(InvalidWeights, match="a bank: expected a safetensors file"):
        prototypes_from_bytes(b"no", shape=SHAPE, classes=3, file="a bank")
