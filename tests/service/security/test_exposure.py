import pytest
from pydantic import SecretStr

from service.security.exposure import Exposed, is_loopback, is_open_to_others, load_keys
from service.security.keys import create_key
from service.settings import Settings

KEYS = SecretStr(create_key("app", ["classify"])[1].entry)
OFF_LOOPBACK = ["0.0.0.0", "::", "192.0.2.1", "", "no-such-host.invalid"]  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_served_without_keys(host: str) -> None:
    assert is_loopback(host)
    assert load_keys(Settings(host=host)).ring is None


@pytest.mark.parametrize("host", OFF_LOOPBACK)
def test_another_address_is_not_served_without_keys(host: str) -> None:
    with pytest.raises(Exposed, match="--allow-anonymous"):
        load_keys(Settings(host=host))


@pytest.mark.parametrize("host", OFF_LOOPBACK)
def test_another_address_is_served_without_keys_on_purpose(host: str) -> None:
    settings = Settings(host=host, allow_anonymous=True)
    assert is_open_to_others(settings, load_keys(settings))


@pytest.mark.parametrize("host", OFF_LOOPBACK)
def test_another_address_is_served_with_keys(host: str) -> None:
    settings = Settings(host=host, api_keys=KEYS)
    assert not is_open_to_others(settings, load_keys(settings))
