import torch

from eabs.inference import LatentInference
from tests.eabs.toy import TOY, random_model
from training.certified_accuracy import RADII, measure_bank
from training.datasets import Split, to_unit_range
from training.prototypes.banks import bank_of_images, bank_of_recreations, bank_of_the_prior


def toy_split(count: int = 12) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(count) % 3)


def test_the_priors_bank_is_every_classs_image_of_every_candidate() -> None:
    inference = LatentInference.prepare(random_model(TOY), beta=1.0, seed=0, candidates=20)
    bank = bank_of_the_prior(inference)
    assert bank.counts == [20, 20, 20]
    assert torch.equal(bank.offsets.float(), inference.bank.penalties.repeat(3))
    decoded = inference.reconstruct(inference.bank.latents[4:5, None].expand(-1, 3, -1))[0]
    torch.testing.assert_close(bank.pictures(torch.tensor([4, 24, 44])), decoded)


def test_a_bank_of_images_holds_them_by_class() -> None:
    split = toy_split()
    bank = bank_of_images(split)
    assert bank.classes.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(bank.pictures(torch.tensor([5])), to_unit_range(split.images[4:5]))


def test_a_bank_of_recreations_holds_what_each_images_own_class_made_of_it() -> None:
    split, model = toy_split(), random_model(TOY)
    bank = bank_of_recreations(model, split)
    mean, _ = model.encoder(to_unit_range(split.images[4:5]))
    torch.testing.assert_close(bank.pictures(torch.tensor([5])), model.decoders(mean)[:, 1])


def test_a_banks_own_images_are_right_and_wrong_labels_certify_nothing() -> None:
    split = toy_split()
    bank = bank_of_images(split)
    right = measure_bank(bank, split)
    assert right.clean == 1
    assert right.median_radius > 0
    wrong = measure_bank(bank, Split(split.images, (split.labels + 1) % 3))
    assert wrong.clean == 0
    assert wrong.certified == dict.fromkeys(RADII, 0.0)


def test_certified_shares_fall_with_the_radius() -> None:
    split = toy_split()
    shares = list(measure_bank(bank_of_images(split), split).certified.values())
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
