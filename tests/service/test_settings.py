import pytest
from pydantic import ValidationError

from service.models.reference import ModelReference
from service.settings import Settings


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_MODELS", "mnist@production, other@2")
    monkeypatch.setenv("EABS_STORE", "/models")
    settings = Settings()
    assert settings.references == (ModelReference("mnist", "production"), ModelReference("other", "2"))
    assert settings.store == "/models"


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": ""},
        {"models": "mnist@"},
        {"models": "../mnist"},
        {"models": "mnist,mnist"},
        {"device": "tpu"},
        {"max_batch_size": -1},
        {"max_queue": 10, "max_images": 11},
        {"prot": 80},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)
