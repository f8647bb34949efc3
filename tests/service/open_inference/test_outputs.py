import numpy as np
import pytest

from service.errors import Invalid
from service.inference.solver import Solved
from service.jobs import Bounds, CertifyFiniteBank, Scores
from service.models.served_model import ServedModel
from service.open_inference.outputs import OUTPUTS, Wanted, wanted_outputs
from service.open_inference.schemas import OutputParameters, RequestOutput
from service.use_cases import Findings
from tests.service.running_server import RunningServer


@pytest.fixture
def model(server: RunningServer) -> ServedModel:
    found = server.app.state.runtime.catalogue.find("mnist", None)
    assert isinstance(found, ServedModel)
    return found


def findings(scores: list[float], bounds: Bounds | None = None) -> Findings:
    row = np.array(scores, np.float32)
    solved = Solved(Scores(row, row, np.zeros(len(row), np.bool_)), cached=False)
    job = None if bounds is None else CertifyFiniteBank("sha256:0")
    certified = [] if bounds is None else [Solved(bounds, cached=False)]
    return Findings(images=[], scores=[solved], rejected=[False], certify_job=job, bounds=certified, decode_s=0.0)


def test_a_request_that_names_no_outputs_gets_all_of_them() -> None:
    assert wanted_outputs(None, binary=True, classes=10) == [Wanted(name, True) for name in OUTPUTS]
    assert wanted_outputs([], binary=False, classes=10) == [Wanted(name, False) for name in OUTPUTS]


def test_an_output_decides_itself_how_it_comes_and_otherwise_the_request_does() -> None:
    asked = [
        RequestOutput(name="label"),
        RequestOutput(name="radius", parameters=OutputParameters(binary_data=True)),
        RequestOutput(name="log_likelihood", parameters=OutputParameters(classification=2)),
    ]
    wanted = [Wanted("label", False), Wanted("radius", True), Wanted("log_likelihood", False, 2)]
    assert wanted_outputs(asked, binary=False, classes=10) == wanted


def test_a_classification_of_more_classes_than_there_are_is_refused() -> None:
    asked = [RequestOutput(name="log_likelihood", parameters=OutputParameters(classification=10**5000))]
    with pytest.raises(Invalid, match="at most 3 classes"):
        wanted_outputs(asked, binary=False, classes=3)


def test_the_best_class_of_a_tie_is_the_predicted_one(model: ServedModel) -> None:
    found = findings([9, 8, 5, 7, 5, 6, 9, 9, 9, 9])
    best = Wanted("log_likelihood", False, 3).tensor(model, found)
    assert best.values.tolist() == [["-5.0:2:class 2", "-5.0:4:class 4", "-6.0:5:class 5"]]
    assert Wanted("prediction", False).tensor(model, found).values.tolist() == [2]
    assert Wanted("label", False).tensor(model, found).values.tolist() == ["class 2"]


@pytest.mark.parametrize(
    ("bounds", "radius"), [(Bounds(2, 1 / 3), 1 / 3), (Bounds(3, 1 / 3), 0), (Bounds(None, 0), 0), (None, 0)]
)
def test_a_radius_is_exact_and_only_of_the_served_prediction(
    model: ServedModel, bounds: Bounds | None, radius: float
) -> None:
    found = findings([9, 8, 5, 7, 6, 6, 9, 9, 9, 9], bounds)
    tensor = Wanted("radius", True).tensor(model, found)
    assert np.frombuffer(tensor.as_bytes(), "<f8").tolist() == [radius]
