import logging
import time

import pytest

from model_store import claims, disk
from model_store.claims import Claim
from model_store.errors import StoreUnreachable, VersionBusy
from model_store.remote_folder import RemoteFolder


@pytest.fixture
def folder(memory_root: str) -> RemoteFolder:
    return RemoteFolder(memory_root)


def wait(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: now)


def test_a_claimed_version_is_busy_until_it_is_released(folder: RemoteFolder) -> None:
    claim = Claim.take(folder, "shapes", "1")
    with pytest.raises(VersionBusy, match=r"shapes/1 is being written by another process, .*; free again at 20.* UTC"):
        Claim.take(folder, "shapes", "1")
    assert set(claims.unfinished(folder, "shapes")) == {"1"}

    claim.release()

    assert claims.unfinished(folder, "shapes") == {}
    Claim.take(folder, "shapes", "1")


def test_versions_and_models_are_claimed_by_themselves(folder: RemoteFolder) -> None:
    for name, version in (("shapes", "1"), ("shapes", "2"), ("digits", "1")):
        Claim.take(folder, name, version)

    assert set(claims.unfinished(folder, "shapes")) == {"1", "2"}


def test_a_claim_that_was_left_an_hour_ago_is_overcome_once(
    folder: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Claim.take(folder, "shapes", "1")
    wait(monkeypatch, disk.LEFT_OVER_AGE + 1)

    claim = Claim.take(folder, "shapes", "1")
    with pytest.raises(VersionBusy):
        Claim.take(folder, "shapes", "1")
    claim.release()

    assert folder.list() == set()


def test_of_two_that_overcome_a_claim_one_gets_the_version(
    folder: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Claim.take(folder, "shapes", "1")
    wait(monkeypatch, disk.LEFT_OVER_AGE + 1)
    create = RemoteFolder.create

    def come_second(self: RemoteFolder, data: bytes, *names: str) -> bool:
        monkeypatch.setattr(RemoteFolder, "create", create)
        Claim.take(folder, "shapes", "1")
        return create(self, data, *names)

    monkeypatch.setattr(RemoteFolder, "create", come_second)

    with pytest.raises(VersionBusy):
        Claim.take(folder, "shapes", "1")


def test_a_holder_that_is_overcome_does_not_release_its_successor(
    folder: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Claim.take(folder, "shapes", "1")
    wait(monkeypatch, disk.LEFT_OVER_AGE + 1)
    Claim.take(folder, "shapes", "1")

    slow.release()

    with pytest.raises(VersionBusy):
        Claim.take(folder, "shapes", "1")


def test_a_holder_stops_writing_before_it_can_be_overcome(
    folder: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim.take(folder, "shapes", "1")
    claim.check()
    wait(monkeypatch, disk.LEFT_OVER_AGE - 60)

    with pytest.raises(StoreUnreachable, match="shapes/1 took too long to write"):
        claim.check()
    with pytest.raises(VersionBusy):
        Claim.take(folder, "shapes", "1")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"expires": "soon"}', b'{"expires": null}'])
def test_a_claim_that_cannot_be_read_keeps_the_version_busy(folder: RemoteFolder, content: bytes) -> None:
    folder.replace(content, "shapes", ".publishing", "1", "1")

    with pytest.raises(VersionBusy, match=r"expected a claim in memory://.*/shapes/\.publishing/1/1"):
        Claim.take(folder, "shapes", "1")


def test_a_claim_that_cannot_be_released_is_reported_and_expires(
    folder: RemoteFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claim = Claim.take(folder, "shapes", "1")

    def fail(*_: str) -> None:
        raise StoreUnreachable("no answer")

    monkeypatch.setattr(RemoteFolder, "remove", fail)
    claim.release()

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "the claim on shapes/1 expires by itself: no answer" in caplog.text
