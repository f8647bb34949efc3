import pytest
from pydantic import ValidationError

from service.cache.redis_url import parse_redis_url
from service.settings import Settings


def test_a_url_says_where_the_server_is_and_how_to_enter_it() -> None:
    assert parse_redis_url("redis://me:se%2Fcret@cache:7000/3") == {
        "username": "me",
        "password": "se/cret",
        "host": "cache",
        "port": 7000,
        "db": 3,
    }


def test_tls_has_options_of_its_own() -> None:
    options = parse_redis_url("rediss://cache?ssl_ca_certs=/ca.pem&ssl_check_hostname=false")
    assert (options["ssl_ca_certs"], options["ssl_check_hostname"]) == ("/ca.pem", False)


WRONG = [
    "",
    "secret",
    "http://:secret@cache",
    "redis://",
    "redis://:sec/ret@cache",
    "redis://:secret@cache:port",
    "redis://:secret@cache:99999",
    "redis://:secret@cache/one",
    "redis://:secret@cache?socket_timeout=60",
    "redis://:secret@cache?retry_on_timeout=1",
    "redis://:secret@cache?ssl_ca_certs=/ca.pem",
    "rediss://:secret@cache?max_connections=1",
    "rediss://:secret@cache?ssl_min_version=secret",
    "redis://:secret@[cache",
    "unix://:secret@/redis.sock",
]


@pytest.mark.parametrize("url", WRONG)
def test_another_form_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        parse_redis_url(url)
    assert "sec" not in str(refused.value)


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_setting_does_not_show_the_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_REDIS_URL", url)
    with pytest.raises(ValidationError, match="redis_url") as refused:
        Settings()
    assert "secret" not in str(refused.value)


def test_settings_do_not_show_the_password_when_something_else_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_REDIS_URL", "redis://:secret@cache")
    assert "secret" not in repr(Settings())
    for wrong in ({"port": -1}, {"max_queue": 1}):
        with pytest.raises(ValidationError) as refused:
            Settings.model_validate({"redis_url": "redis://:secret@cache", **wrong})
        assert "secret" not in str(refused.value)
