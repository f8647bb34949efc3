import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eabs.networks import EABS
from eabs.settings import PAPER_SETTINGS
from model_store import ManifestDraft, ModelStore, prepare_inference
from tests.cli.conftest import Eabs
from tests.service.small_model import small_bank, small_draft
from tests.small_architectures import SMALL_GREY

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "mnist-7-a.png"


@pytest.fixture(scope="module")
def store_with_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store-with-bank")
    torch.manual_seed(0)
    architecture = SMALL_GREY
    bank = small_bank(architecture)
    draft = small_draft("mnist", architecture, prototypes=bank)
    ModelStore(root).publish(EABS(architecture), draft, prototypes=bank, aliases=("production",))
    return root


def test_json_is_the_servers_answer(eabs: Eabs, store: Path) -> None:
    outcome = eabs("classify", EXAMPLE, EXAMPLE, "--store", store, "--json")
    assert outcome.code == 0, outcome.err
    answer = json.loads(outcome.out)
    assert len(answer["results"]) == 2
    assert answer["results"][0]["classes"] == answer["results"][1]["classes"]
    assert answer["model"]["name"] == "mnist"


def test_the_table_names_every_image(eabs: Eabs, store: Path) -> None:
    outcome = eabs("classify", EXAMPLE, "--store", store)
    assert outcome.code == 0, outcome.err
    assert "prediction" in outcome.out


@pytest.fixture
def store_that_rejects(store: Path, tmp_path: Path) -> Path:
    """The small model, to which nothing is typical."""
    loaded = ModelStore(store).load("mnist")
    fields = {name: getattr(loaded.manifest, name) for name in ManifestDraft.model_fields}
    calibration = loaded.manifest.calibration.model_copy(update={"scores": [[0.0, 0.0, 0.0]] * 10})
    ModelStore(tmp_path).publish(loaded.model, ManifestDraft.model_validate(fields | {"calibration": calibration}))
    return tmp_path


def test_what_is_rejected_has_no_prediction(eabs: Eabs, store_that_rejects: Path, tmp_path: Path) -> None:
    command = ("classify", EXAMPLE, "--store", store_that_rejects)
    asked, unasked = (json.loads(eabs(*command, "--json", *more).out)["results"][0] for more in (["--reject"], []))
    assert asked["out_of_distribution"]
    assert asked["prediction"] is None
    assert unasked["out_of_distribution"]
    assert unasked["prediction"] is not None
    drawn = eabs(*command, "--reject", "--figure", tmp_path / "figure.png")
    assert drawn.code == 0, drawn.err
    assert "rejected" in drawn.out


def test_the_figure_shows_the_input_and_every_class(eabs: Eabs, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "figure.png"
    assert eabs("classify", EXAMPLE, "--store", store, "--figure", out).code == 0
    with Image.open(out) as picture:
        assert picture.width > picture.height > 300
        colours = picture.getcolors(picture.width * picture.height)
    assert colours is not None
    assert len(colours) > 50


def test_adam_answers_with_the_papers_scores(eabs: Eabs, store: Path) -> None:
    outcome = eabs("classify", EXAMPLE, "--store", store, "--solver", "adam", "--json")
    assert outcome.code == 0, outcome.err
    classes = json.loads(outcome.out)["results"][0]["classes"]
    pixels = torch.from_numpy(np.array(Image.open(EXAMPLE)) / np.float32(255))[None, None]
    inference = prepare_inference(ModelStore(store).load("mnist"), cache=None)
    expected = inference.infer(pixels, PAPER_SETTINGS).scores[0]
    assert [-entry["log_likelihood"] for entry in classes] == pytest.approx(expected.tolist(), rel=1e-3)
    assert not any(entry["upper_bound"] for entry in classes)


def test_adam_with_an_effort_is_a_usage_error(eabs: Eabs, store: Path) -> None:
    outcome = eabs("classify", EXAMPLE, "--store", store, "--solver", "adam", "--effort", "fast")
    assert outcome.code == 2
    assert "effort: expected none" in outcome.err


def test_an_effort_for_the_finite_bank_is_a_usage_error(eabs: Eabs) -> None:
    outcome = eabs("classify", EXAMPLE, "--classifier", "finite-bank", "--effort", "fast")
    assert outcome.code == 2
    assert "expected neither with the classifier finite-bank" in outcome.err


def test_a_certificate_says_what_it_rests_on(eabs: Eabs, store: Path) -> None:
    outcome = eabs("certify", EXAMPLE, "--store", store, "--json")
    assert outcome.code == 0, outcome.err
    certificate = json.loads(outcome.out)["results"][0]["certificate"]
    assert certificate["sound"] is False
    assert certificate["assumption"] == "the latent optimum was found"
    assert certificate["radius"] >= 0


def test_the_certificate_figure_has_a_bar_for_every_method_and_leaves_the_answer_as_it_was(
    eabs: Eabs, store_with_bank: Path, tmp_path: Path
) -> None:
    out = tmp_path / "certificates.png"
    command = ("certify", EXAMPLE, "--store", store_with_bank, "--method", "finite-bank", "--json")
    plain, drawn = eabs(*command), eabs(*command, "--figure", out, "--n", "100")
    assert drawn.code == 0, drawn.err
    assert json.loads(drawn.out)["results"] == json.loads(plain.out)["results"]
    with Image.open(out) as picture:
        assert picture.width == 1000
        assert picture.height > 450


@pytest.mark.parametrize("command", ["classify", "certify"])
def test_a_figure_in_no_folder_is_a_usage_error(eabs: Eabs, command: str, store: Path, tmp_path: Path) -> None:
    outcome = eabs(command, EXAMPLE, "--store", store, "--figure", tmp_path / "nowhere" / "figure.png")
    assert outcome.code == 2
    assert "nowhere" in outcome.err


def test_samples_without_smoothing_are_a_usage_error(eabs: Eabs, store: Path) -> None:
    outcome = eabs("certify", EXAMPLE, "--store", store, "--n", "100")
    assert outcome.code == 2
    assert "--figure" in outcome.err


def test_a_file_that_is_no_image_fails_with_a_reason(eabs: Eabs, store: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("not an image")
    outcome = eabs("classify", text, "--store", store)
    assert outcome.code == 1
    assert "expected" in outcome.err


@pytest.mark.parametrize("command", ["classify", "certify"])
def test_a_missing_file_is_a_usage_error(eabs: Eabs, command: str) -> None:
    assert eabs(command, "no-such-file.png").code == 2


def test_an_unknown_model_fails_with_a_reason(eabs: Eabs, store: Path) -> None:
    outcome = eabs("classify", EXAMPLE, "--store", store, "--model", "svhn")
    assert outcome.code == 1
    assert "svhn" in outcome.err
