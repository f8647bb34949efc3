import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.security.key_source import KeySource
from service.security.keys import InvalidKeys, create_key
from service.settings import Settings

POLL_S = 0.01
OLD, OLD_KEY = create_key("app", ["classify"])
NEW, NEW_KEY = create_key("app", ["classify"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(OLD_KEY.entry)
    return file


def watched(file: Path, change: Callable[[KeySource], Awaitable[None]]) -> None:
    """Runs `change` while the file is watched."""

    async def run() -> None:
        source = KeySource(Settings(api_keys_file=file))
        watching = asyncio.create_task(source.watch(POLL_S))
        try:
            async with asyncio.timeout(30):
                await change(source)
        finally:
            watching.cancel()

    asyncio.run(run())


def knows(source: KeySource, token: str) -> bool:
    return source.ring is not None and source.ring.find(token) is not None


def test_nobody_is_asked_for_a_key_where_none_is_set() -> None:
    assert KeySource(Settings()).ring is None


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_API_KEYS", f"{OLD_KEY.entry}; ")
    settings = Settings()
    assert knows(KeySource(settings), OLD)
    assert OLD_KEY.digest.hex() not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


def test_a_changed_file_is_read_again(file: Path) -> None:
    async def change(source: KeySource) -> None:
        file.write_text(NEW_KEY.entry)
        while not knows(source, NEW):
            await asyncio.sleep(POLL_S)
        assert not knows(source, OLD)

    watched(file, change)


@pytest.mark.parametrize("slip", ["", "# all gone", "app classify eabs_plain", "gone"])
def test_a_slip_leaves_the_keys_as_they_were_until_it_is_mended(
    file: Path, slip: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def change(source: KeySource) -> None:
        if slip == "gone":
            file.unlink()
        else:
            file.write_text(slip)
        while not caplog.records:
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(5 * POLL_S)
        assert knows(source, OLD)
        assert len(caplog.records) == 1, "said once, not at every poll"
        file.write_text(NEW_KEY.entry)
        while not knows(source, NEW):
            await asyncio.sleep(POLL_S)

    with caplog.at_level(logging.ERROR):
        watched(file, change)
    assert "eabs_plain" not in caplog.text


def test_a_file_that_everybody_may_write_is_refused(file: Path) -> None:
    file.chmod(0o666)
    with pytest.raises(InvalidKeys, match="only its owner may write"):
        KeySource(Settings(api_keys_file=file))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeys, match="No such file"):
        KeySource(Settings(api_keys_file=tmp_path / "none"))


def test_a_file_of_bytes_is_refused_and_not_repeated(file: Path) -> None:
    file.write_bytes(b"\xffsecret")
    with pytest.raises(InvalidKeys, match="ASCII") as refused:
        KeySource(Settings(api_keys_file=file))
    assert "secret" not in str(refused.value)


def test_two_sources_are_refused(file: Path) -> None:
    with pytest.raises(InvalidKeys, match="got both"):
        KeySource(Settings(api_keys_file=file, api_keys=SecretStr(NEW_KEY.entry)))


def test_an_error_of_another_setting_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_API_KEYS", "eabs_plain-key")
    with pytest.raises(ValueError, match="max_images") as refused:
        Settings(max_queue=1)
    assert "eabs_plain-key" not in str(refused.value)
