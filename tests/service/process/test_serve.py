"""What each worker gets of the machine."""

import pytest
import torch

from service.process import serve
from service.process.serve import settings_of_workers
from service.settings import Settings

GPUS = tuple(torch.device("cuda", index) for index in range(4))


def test_one_worker_is_the_server_itself_with_every_device() -> None:
    settings = Settings(device="cpu")
    assert settings_of_workers(settings) == [settings]


@pytest.mark.parametrize(("cores", "workers", "threads"), [(8, 2, 4), (7, 2, 3), (2, 4, 1)])
def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, threads: int) -> None:
    monkeypatch.setattr(serve, "physical_cores", lambda: cores)
    settings = settings_of_workers(Settings(device="cpu", workers=workers))
    assert [own.threads for own in settings] == [threads] * workers


def test_threads_that_were_asked_for_are_those_of_each_worker() -> None:
    assert [own.threads for own in settings_of_workers(Settings(device="cpu", workers=2, threads=3))] == [3, 3]


def test_every_worker_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "resolve_devices", lambda _: GPUS)
    assert [own.device for own in settings_of_workers(Settings(workers=3))] == ["cuda:0", "cuda:1", "cuda:2"]


def test_more_workers_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "resolve_devices", lambda _: GPUS[:1])
    with pytest.raises(ValueError, match="workers: expected at most one for each of 1 GPUs, got 2"):
        settings_of_workers(Settings(device="cuda:0", workers=2))
