from fractions import Fraction

import pytest
import torch
from torch import Tensor

from eabs.candidates import CandidateBank
from eabs.decoding import FoldedDecoders
from eabs.networks import EABS
from eabs.penalty import FoldedDiscriminator
from eabs.prototypes import PrototypeBank
from eabs.workers import Workers


def random_bank(*, per_class: tuple[int, ...] = (5, 9, 3), seed: int = 0) -> PrototypeBank:
    generator = torch.Generator().manual_seed(seed)
    count = sum(per_class)
    classes = torch.arange(len(per_class)).repeat_interleave(torch.tensor(per_class))
    images = torch.rand(count, 1, 4, 4, generator=generator) * 1.4 - 0.2
    return PrototypeBank.of_images(images, torch.randn(count, generator=generator) * 0.1, classes)


def random_images(count: int, *, seed: int = 1) -> Tensor:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def exact_prototypes(bank: PrototypeBank) -> list[list[Fraction]]:
    """The prototypes that the bank's coordinates define, without rounding."""
    basis = [[Fraction(v) for v in row] for row in bank.orthonormal.tolist()]
    points = [[Fraction(v) for v in row] for row in bank.coordinates.tolist()]
    columns = list(zip(*basis, strict=True))
    return [[sum(c * b for c, b in zip(point, column, strict=True)) for column in columns] for point in points]


def test_scores_are_squared_distances_plus_offsets() -> None:
    bank, images = random_bank(), random_images(6)
    found = bank.classify(images)
    every = (images.flatten(1).double()[:, None] - bank.coordinates).square().sum(2) + bank.offsets
    for k in range(3):
        of_class = every.masked_fill(bank.classes != k, torch.inf)
        torch.testing.assert_close(found.scores[:, k], of_class.amin(1))
        assert torch.equal(found.nearest[:, k], of_class.argmin(1))
    nearest = bank.coordinates[found.nearest]
    distances = torch.linalg.vector_norm(images.flatten(1).double()[:, None] - nearest, dim=2)
    torch.testing.assert_close(found.distances, distances)
    assert torch.equal(found.predictions, found.scores.argmin(1))


def test_over_the_candidate_bank_the_scores_are_those_of_the_start_search(toy: EABS) -> None:
    decoders, discriminator = FoldedDecoders.fold(toy.decoders), FoldedDiscriminator(toy.discriminator, beta=1.0)
    candidates = CandidateBank.decode(
        decoders, discriminator, count=200, seed=0, workers=Workers(1, torch.device("cpu"))
    )
    decoded = decoders.decode(candidates.latents[:, None].expand(-1, 3, -1))
    bank = PrototypeBank.of_images(
        decoded.transpose(0, 1).flatten(0, 1), candidates.penalties.repeat(3), torch.arange(3).repeat_interleave(200)
    )
    images = torch.rand(5, 1, 8, 8)
    starts = candidates.search(images, 1, "score")
    torch.testing.assert_close(bank.classify(images).scores.float(), starts.bounds[:, 0], rtol=0, atol=1e-3)


def test_a_bank_on_a_basis_is_that_of_its_images() -> None:
    generator = torch.Generator().manual_seed(2)
    basis, points = torch.randn(5, 1, 4, 4, generator=generator), torch.randn(17, 5, generator=generator)
    plain = random_bank()
    bank = PrototypeBank(points, basis, plain.offsets, plain.classes)
    same = PrototypeBank.of_images(bank.pictures(torch.arange(17)), plain.offsets, plain.classes)
    images = random_images(6)
    torch.testing.assert_close(bank.classify(images).scores, same.classify(images).scores, rtol=0, atol=1e-4)
    expected = torch.einsum("pd,dchw->pchw", points, basis)
    torch.testing.assert_close(bank.pictures(torch.arange(17)), expected)


def test_an_images_answer_does_not_depend_on_the_others() -> None:
    bank, images = random_bank(), random_images(21)
    together = bank.levels(images)
    for chosen in (slice(0, 1), slice(7, 20), slice(20, 21)):
        assert torch.equal(bank.levels(images[chosen]), together[chosen])


def test_no_level_errs_by_more_than_the_banks_rounding() -> None:
    generator = torch.Generator().manual_seed(2)
    plain, images = random_bank(), random_images(4)
    basis, points = torch.randn(5, 1, 4, 4, generator=generator), torch.randn(17, 5, generator=generator)
    for bank in (plain, PrototypeBank(points, basis, plain.offsets, plain.classes)):
        prototypes = exact_prototypes(bank)
        for image, row in zip(images.flatten(1).tolist(), bank.levels(images).tolist(), strict=True):
            for prototype, offset, level in zip(prototypes, bank.offsets.tolist(), row, strict=True):
                pairs = [(Fraction(x), p) for x, p in zip(image, prototype, strict=True)]
                exact = sum(p * p - 2 * x * p for x, p in pairs) + Fraction(offset)
                assert abs(Fraction(level) - exact) <= Fraction(bank.rounding)


def test_pictures_are_the_prototypes() -> None:
    bank = random_bank()
    pictures = bank.pictures(torch.tensor([[0, 16], [3, 4]]))
    assert pictures.shape == (2, 2, 1, 4, 4)
    assert torch.equal(pictures[0, 1].flatten().double(), bank.coordinates[16])


@pytest.mark.parametrize(
    ("images", "offsets", "classes", "complaint"),
    [
        (torch.zeros(4, 1, 4, 4), torch.zeros(3), torch.tensor([0, 1, 2]), "points"),
        (torch.zeros(3, 1, 4, 4), torch.zeros(2), torch.tensor([0, 1, 2]), "offsets"),
        (torch.full((2, 1, 4, 4), torch.nan), torch.zeros(2), torch.tensor([0, 1]), "finite"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0.0, torch.inf]), torch.tensor([0, 1]), "finite"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2), torch.tensor([0, 2]), "classes"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2), torch.tensor([1, 0]), "classes"),
    ],
)
def test_what_is_no_bank_is_refused(images: Tensor, offsets: Tensor, classes: Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        PrototypeBank.of_images(images, offsets, classes)


def test_a_basis_that_does_not_span_its_dimensions_is_refused() -> None:
    basis = torch.ones(2, 1, 4, 4)
    with pytest.raises(ValueError, match="linearly independent"):
        PrototypeBank(torch.zeros(2, 2), basis, torch.zeros(2), torch.tensor([0, 1]))


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, \(1, 4, 4\)\), got \(2, 1, 5, 4\)"):
        random_bank().levels(torch.zeros(2, 1, 5, 4))
