"""Settings that cannot be, in one line."""

import pytest
from pydantic import BaseModel, Field, ValidationError

from service.process.refusal import UnknownVariables, check_variables, in_one_line
from service.settings import Settings


def test_settings_and_other_variables_pass() -> None:
    check_variables(
        {
            "EABS_PORT": "1",
            "eabs_models": "mnist",
            "EABS_PYTHON": "python3",
            "EABS_CLIENT_KEY": "eabs_0",
            "PATH": "/bin",
        }
    )


def test_every_unknown_variable_is_named() -> None:
    with pytest.raises(UnknownVariables) as caught:
        check_variables({"EABS_PROT": "1", "EABS_COLOUR_OF_THE_PAGE": "2"})
    assert str(caught.value) == (
        "EABS_COLOUR_OF_THE_PAGE is no setting; EABS_PROT is no setting, did you mean EABS_PORT?"
    )


def test_all_complaints_stand_in_one_line() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"port": "x", "models": "a,a"})
    line = in_one_line(caught.value)
    assert "\n" not in line
    assert "EABS_MODELS: expected each model once, got 'a,a'" in line
    assert "EABS_PORT: Input should be a valid integer" in line
    assert line.endswith("got 'x'")


def test_what_may_be_a_secret_is_not_repeated() -> None:
    class WithSecret(BaseModel):
        api_key: str = Field(max_length=3)

    with pytest.raises(ValidationError) as caught:
        WithSecret(api_key="hunter2")
    assert in_one_line(caught.value) == "EABS_API_KEY: String should have at most 3 characters"
