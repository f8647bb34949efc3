from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from eabs.architecture import PRESETS
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from eabs.settings import EFFORTS
from model_store import ScoreCalibration
from training.datasets import load_dataset, to_unit_range
from training.discriminative.network import Cnn
from training.out_of_distribution.judges import by_latent_inference, by_prototypes, by_softmax


@pytest.fixture(scope="module")
def digits(mnist_folder: Path) -> torch.Tensor:
    return to_unit_range(load_dataset("mnist", mnist_folder).test.images)


def ignore(_: int) -> None:
    pass


def test_prototypes_judge_by_the_score_of_their_answer_and_its_place_in_the_calibration(digits: torch.Tensor) -> None:
    bank = PrototypeBank.of_images(digits[::2].half(), torch.zeros(10), torch.arange(10))
    calibration = ScoreCalibration(temperature=1.0, reject_below=0.5, scores=[[5.0, 20.0, 60.0]] * 10)
    found = by_prototypes(bank, calibration)(digits, ignore)
    scores = bank.classify(digits).scores.float()
    typicality, score = found["finite-bank typicality"], found["finite-bank score"]
    assert torch.equal(score.unusual, scores.amin(1).double())
    assert score.rejected is None
    expected = [calibration.typicality(int(row.argmin()), float(row.min())) for row in scores]
    assert typicality.unusual.tolist() == [-one for one in expected]
    assert typicality.rejected is not None
    assert typicality.rejected.tolist() == [one < 0.5 for one in expected]
    assert typicality.rejected.any()
    assert not typicality.rejected[::2].any()


def test_latent_inference_judges_by_its_lowest_score(digits: torch.Tensor) -> None:
    torch.manual_seed(0)
    inference = LatentInference.prepare(EABS(PRESETS["mnist"]).eval(), beta=1.0, seed=0, candidates=32)
    calibration = ScoreCalibration(temperature=1.0, reject_below=0.6, scores=[[0.0]] * 10)
    done: list[int] = []
    found = by_latent_inference(inference, calibration, EFFORTS["fast"])(digits[:3], done.append)
    expected = inference.infer(digits[:3], EFFORTS["fast"]).scores.amin(1)
    assert torch.equal(found["latent score"].unusual, expected.double())
    assert found["latent typicality"].rejected is not None
    assert found["latent typicality"].rejected.all()
    assert done == [3]


def test_a_network_s_threshold_rejects_at_most_the_share_of_the_validation_images(digits: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = Cnn(PRESETS["mnist"]).eval()
    judge = by_softmax("cnn", network, digits, reject_below=0.1)
    found = judge(digits, ignore)["cnn softmax"]
    with torch.no_grad():
        probability = F.softmax(network(digits).double(), 1).amax(1)
    torch.testing.assert_close(torch.sigmoid(-found.unusual), probability)
    assert found.rejected is not None
    assert found.rejected.sum() == 2
    assert probability[found.rejected].max() < probability[~found.rejected].min()


def test_certain_answers_are_still_told_apart() -> None:
    network = Cnn(PRESETS["mnist"]).eval()
    torch.nn.init.zeros_(network.head.weight)
    unusual = []
    for certainty in (50.0, 100.0):
        torch.nn.init.zeros_(network.head.bias)
        network.head.bias.data[0] = certainty
        images = torch.zeros(1, 1, 28, 28)
        unusual.append(by_softmax("cnn", network, images, reject_below=0.5)(images, ignore)["cnn softmax"].unusual)
    assert unusual[1] < unusual[0] < 0
