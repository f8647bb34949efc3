"""A store with one small random model, and a way to run the command."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cli.main import app
from eabs.networks import EABS
from model_store import ArchitectureSpec, Calibration, ManifestDraft, ModelStore, Preprocessing, TrainingData
from tests.small_architectures import SMALL_GREY
from training.datasets import load_dataset
from training.discriminative.recipe import cnn_recipe
from training.discriminative.trainer import DiscriminativeTrainer


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Eabs = Callable[..., Outcome]


def run_eabs(*arguments: object) -> Outcome:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def eabs() -> Eabs:
    return run_eabs


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    torch.manual_seed(0)
    draft = ManifestDraft(
        name="mnist",
        architecture=ArchitectureSpec.from_architecture(SMALL_GREY),
        classes=tuple("0123456789"),
        preprocessing=Preprocessing(mode="L", size=28),
        default_effort="fast",
        candidates=32,
        seed=0,
        training_data=TrainingData(dataset="mnist", splits={}, sources={}),
        training_recipe={"validation_fraction": 0.1, "seed": 0},
        metrics={},
        calibration=Calibration(temperature=1.0, reject_below=0.3, effort="fast", scores=[[50.0, 100.0, 200.0]] * 10),
    )
    ModelStore(root).publish(EABS(SMALL_GREY), draft, aliases=("production",))
    return root


@pytest.fixture(scope="session")
def network(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a CNN on the 180 digits."""
    path = tmp_path_factory.mktemp("runs") / "plain"
    recipe = replace(cnn_recipe("quick", "mnist"), epochs=6, batch=27)
    DiscriminativeTrainer(load_dataset("mnist", mnist_folder), recipe, path, device=torch.device("cpu")).run()
    return path
