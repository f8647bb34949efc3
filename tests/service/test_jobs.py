from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from eabs.inference import LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS
from model_store import ModelStore, prepare_inference
from service.jobs import Classify, choose_settings

IMAGES = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def inference(store_root: Path) -> LatentInference:
    return prepare_inference(ModelStore(store_root).load("mnist"), cache=None)


def test_nothing_is_reconstructed_without_an_explanation(
    inference: LatentInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Tensor] = []
    monkeypatch.setattr(inference, "reconstruct", decoded.append)
    answers = Classify("model", EFFORTS["fast"]).run(inference, IMAGES)
    assert [answer.reconstructions for answer in answers] == [None, None]
    assert decoded == []


def test_an_explanation_is_what_the_classes_made(inference: LatentInference) -> None:
    answers = Classify("model", EFFORTS["thorough"], explain=True).run(inference, IMAGES)
    for image, answer in zip(IMAGES, answers, strict=True):
        assert answer.reconstructions is not None
        assert (answer.reconstructions.shape, answer.reconstructions.dtype) == ((10, 1, 28, 28), np.uint8)
        differences = image.numpy() - answer.reconstructions.astype(np.float32) / 255
        distances = np.linalg.norm(differences.reshape(10, -1), axis=1)
        np.testing.assert_allclose(distances, answer.distances, atol=0.1)


def test_a_picture_counts_for_the_memory_that_an_answer_takes(inference: LatentInference) -> None:
    plain, explained = (
        Classify("model", EFFORTS["fast"], explain=explain).run(inference, IMAGES[:1])[0].nbytes
        for explain in (False, True)
    )
    assert explained == plain + 10 * 28 * 28


def test_classes_that_were_given_up_are_known(inference: LatentInference) -> None:
    for effort in ("fast", "thorough"):
        result = inference.infer(IMAGES, EFFORTS[effort])
        answers = Classify("model", EFFORTS[effort]).run(inference, IMAGES)
        assert np.stack([answer.upper_bounds for answer in answers]).tolist() == result.upper_bounds.tolist()


def test_the_effort_is_the_default_where_none_is_named() -> None:
    assert choose_settings("quasi-newton", None, default="thorough") is EFFORTS["thorough"]
    assert choose_settings("quasi-newton", "fast", default="thorough") is EFFORTS["fast"]


def test_adam_is_the_papers_inference_and_has_no_effort() -> None:
    assert choose_settings("adam", None, default="fast") is PAPER_SETTINGS
    with pytest.raises(ValueError, match=r"effort: expected none with the solver 'adam'.*got 'thorough'"):
        choose_settings("adam", "thorough", default="fast")
