from pathlib import Path

import torch

from eabs.architecture import PRESETS
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.settings import EFFORTS
from training.datasets import load_dataset, to_unit_range
from training.evaluation import latent_scores, measure_accuracy


def test_accuracy_counts_what_inference_predicts(mnist_folder: Path) -> None:
    torch.manual_seed(0)
    inference = LatentInference.prepare(EABS(PRESETS["mnist"]).eval(), beta=1.0, seed=0, candidates=32)
    split = load_dataset("mnist", mnist_folder).test
    found = measure_accuracy(inference, split, EFFORTS["fast"])
    predictions = inference.infer(to_unit_range(split.images), EFFORTS["fast"]).predictions
    assert found.correct == int((predictions == split.labels).sum())
    assert found.accuracy == found.correct / 20
    assert sum(found.per_class) * 2 == found.correct
    assert latent_scores(inference, split.images, EFFORTS["fast"]).shape == (20, 10)
