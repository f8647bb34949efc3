import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from eabs.certificates.finite_bank import FiniteBankCertificate, certify_finite_bank
from eabs.prototypes import PrototypeBank
from eabs.settings import PAPER_SETTINGS
from model_store import ModelStore, prepare_inference
from model_store.manifest import ManifestDraft, Prototypes, ScoreCalibration
from tests.cli.conftest import Eabs
from training.attacks import certified
from training.certified_accuracy import measure_bank
from training.datasets import Split, load_dataset, to_unit_range
from training.evaluation import measure_accuracy


@pytest.fixture
def evaluate(eabs: Eabs, store: Path, mnist_folder: Path) -> Eabs:
    def run(*arguments: object) -> object:
        return eabs("evaluate", "accuracy", "--model", "mnist", "--data", mnist_folder, "--store", store, *arguments)

    return run  # type: ignore[return-value]


def test_the_effort_is_the_models_own_where_none_is_named(evaluate: Eabs) -> None:
    found = json.loads(evaluate("--images", 4, "--json").out)
    assert (found["solver"], found["effort"], found["images"]) == ("quasi-newton", "fast", 4)


def test_adam_counts_what_the_papers_inference_predicts(evaluate: Eabs, store: Path, mnist_folder: Path) -> None:
    outcome = evaluate("--solver", "adam", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["solver"], found["effort"]) == ("adam", None)
    inference = prepare_inference(ModelStore(store).load("mnist"), cache=None)
    expected = measure_accuracy(inference, load_dataset("mnist", mnist_folder).test, PAPER_SETTINGS)
    assert found["per_class"] == dict(zip("0123456789", expected.per_class, strict=True))


def test_the_line_names_the_solver_that_has_no_effort(evaluate: Eabs) -> None:
    assert "mnist version 1, adam: " in evaluate("--images", 4, "--solver", "adam").out


def test_adam_with_an_effort_is_a_usage_error(evaluate: Eabs) -> None:
    outcome = evaluate("--solver", "adam", "--effort", "fast")
    assert outcome.code == 2
    assert "effort: expected none" in outcome.err


@pytest.fixture(scope="module")
def banked_store(store: Path, mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small random model with a bank: its training digits."""
    train = load_dataset("mnist", mnist_folder).train
    order = train.labels.argsort(stable=True)
    points = to_unit_range(train.images[order]).flatten(1).half()
    pixels = torch.eye(784).view(784, 1, 28, 28)
    bank = PrototypeBank(points, pixels, torch.zeros(len(order)), train.labels[order])
    loaded = ModelStore(store).load("mnist")
    scores = ScoreCalibration(temperature=1.0, reject_below=0.6, scores=[[50.0]] * 10)
    described = Prototypes(images=len(order), recipe={}, metrics={}, calibration=scores)
    fields = {name: getattr(loaded.manifest, name) for name in ManifestDraft.model_fields}
    root = tmp_path_factory.mktemp("banked")
    ModelStore(root).publish(
        loaded.model, ManifestDraft.model_validate(fields | {"prototypes": described}), prototypes=bank
    )
    return root


@pytest.fixture
def attack(eabs: Eabs, banked_store: Path, mnist_folder: Path) -> Eabs:
    def run(*arguments: object) -> object:
        common = ("--model", "mnist", "--data", mnist_folder, "--store", banked_store, "--images", 4)
        return eabs("evaluate", "certificates", *common, *arguments)

    return run  # type: ignore[return-value]


def test_attacks_leave_a_bank_certificate_whole(attack: Eabs) -> None:
    outcome = attack("--certificate", "finite-bank", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["smoothing"] is None
    (bank,) = found["certificates"]
    assert (bank["kind"], bank["images"], bank["certified"], bank["share"]) == ("finite-bank", 4, 4, 0.99)
    assert bank["mean_radius"] > 0
    assert sorted(bank["attacks"]) == ["ddn", "gaussian", "hop-skip-jump", "pgd", "rival"]
    for broken in bank["attacks"].values():
        assert (broken["tried"], broken["broken"], broken["broken_images"]) == (4, 0, [])


def test_beyond_the_radius_the_bank_breaks_and_nothing_was_promised(attack: Eabs) -> None:
    outcome = attack("--certificate", "finite-bank", "--share", 3, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["certificates"][0]["attacks"]["pgd"]["broken"] == 4


def test_a_broken_sound_certificate_ends_in_an_error(attack: Eabs, monkeypatch: pytest.MonkeyPatch) -> None:
    def claims_too_much(bank: PrototypeBank, images: Tensor) -> FiniteBankCertificate:
        found = certify_finite_bank(bank, images)
        return replace(found, radii=3 * found.radii)

    monkeypatch.setattr(certified, "certify_finite_bank", claims_too_much)
    outcome = attack("--certificate", "finite-bank")
    assert outcome.code == 1
    assert "a sound certificate does not hold: finite-bank" in outcome.err


def test_every_kind_that_the_model_has_is_tried_by_default(attack: Eabs) -> None:
    outcome = attack("--n", 20, "--images", 1)
    assert outcome.code == 0, outcome.err
    for line in ("exact-inference, not sound: ", "finite-bank, sound: ", "smoothing, sound but for alpha = 0.001"):
        assert line in outcome.out


def test_a_certificate_that_the_model_lacks_is_a_usage_error(eabs: Eabs, store: Path, mnist_folder: Path) -> None:
    arguments = ("--model", "mnist", "--data", mnist_folder, "--store", store, "--certificate", "finite-bank")
    outcome = eabs("evaluate", "certificates", *arguments)
    assert outcome.code == 2
    assert "mnist version 1 has no prototype bank" in outcome.err


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [("--certificate", "hope", "certificate: expected"), ("--sigma", 0, "sigma: expected"), ("--share", 0, "share")],
)
def test_a_value_that_means_nothing_is_a_usage_error(attack: Eabs, option: str, value: object, complaint: str) -> None:
    outcome = attack(option, value)
    assert outcome.code == 2
    assert complaint in outcome.err


@pytest.fixture
def certify(eabs: Eabs, banked_store: Path, mnist_folder: Path) -> Eabs:
    def run(*arguments: object) -> object:
        common = ("--model", "mnist", "--data", mnist_folder, "--store", banked_store, "--images", 4)
        return eabs("evaluate", "certified", *common, *arguments)

    return run  # type: ignore[return-value]


def test_a_banks_certified_accuracy_is_that_of_the_bank(certify: Eabs, banked_store: Path, mnist_folder: Path) -> None:
    outcome = certify("--certificate", "finite-bank", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["certificate"], found["sound"], found["base"], found["smoothing"]) == (
        "finite-bank",
        True,
        None,
        None,
    )
    bank = ModelStore(banked_store).load("mnist").prototypes
    assert bank is not None
    test = load_dataset("mnist", mnist_folder).test
    expected = measure_bank(bank, Split(test.images[:4], test.labels[:4]))
    assert found["images"] == 4
    assert found["clean"] == expected.clean
    assert found["certified"] == {str(radius): share for radius, share in expected.certified.items()}
    assert found["median_radius"] == expected.median_radius
    assert found["ms_per_image"] == pytest.approx(250 * found["seconds"])


def test_the_line_and_the_table_say_what_was_certified(certify: Eabs) -> None:
    outcome = certify("--certificate", "exact-inference", "--split", "validation", "--images", 1)
    assert outcome.code == 0, outcome.err
    assert "mnist version 1, exact-inference, not sound: " in outcome.out
    assert "of 1 validation images right" in outcome.out
    assert "1.58" in outcome.out


def test_smoothing_smooths_the_bank_or_what_is_asked_for(certify: Eabs) -> None:
    few = ("--certificate", "smoothing", "--images", 1, "--n0", 5, "--n", 20, "--sigma", 0.25, "--seed", 3, "--json")
    served, latent = (json.loads(certify(*few, *more).out) for more in ((), ("--base", "latent")))
    assert (served["base"], latent["base"]) == ("finite-bank", "latent")
    assert served["smoothing"] == {"sigma": 0.25, "n0": 5, "n": 20, "alpha": 0.001, "seed": 3}
    assert served["clean"] == 1


def test_latent_inference_is_smoothed_where_it_is_asked_for(certify: Eabs, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        pytest.fail("the bank was asked")

    monkeypatch.setattr(PrototypeBank, "classify", never)
    few = ("--certificate", "smoothing", "--images", 1, "--n0", 5, "--n", 20)
    assert certify(*few, "--base", "latent").code == 0


@pytest.mark.parametrize("wanted", [("finite-bank",), ("smoothing", "--base", "finite-bank")])
def test_a_bank_that_the_model_lacks_cannot_be_measured(
    eabs: Eabs, store: Path, mnist_folder: Path, wanted: tuple[str, ...]
) -> None:
    arguments = ("--model", "mnist", "--data", mnist_folder, "--store", store, "--certificate", *wanted)
    outcome = eabs("evaluate", "certified", *arguments)
    assert outcome.code == 1
    assert "mnist version 1 has no prototype bank" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--certificate", "hope"), "hope"),
        (("--certificate", "finite-bank", "--base", "latent"), "base: expected none"),
        (("--certificate", "smoothing", "--n0", 0), "n0: expected"),
        ((), "--certificate"),
    ],
)
def test_what_cannot_be_certified_is_a_usage_error(
    certify: Eabs, arguments: tuple[object, ...], complaint: str
) -> None:
    outcome = certify(*arguments)
    assert outcome.code == 2
    assert complaint in outcome.err
