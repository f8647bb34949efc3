import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import pytest
import torch

from service.errors import NotReady
from service.inference.places import Place, Places

MODEL = "sha256:0"


class Device:
    """Answers probes while it is well, and waits at a gate before it does."""

    def __init__(self) -> None:
        self.well = True
        self.gate = asyncio.Event()
        self.gate.set()
        self.probed: list[tuple[Place, str]] = []

    async def probe(self, place: Place, digest: str) -> None:
        self.probed.append((place, digest))
        await self.gate.wait()
        if not self.well:
            raise RuntimeError("the device has fallen off the bus")


def with_places(
    count: int,
    test: Callable[[Places, Device], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.inference.places._PATIENCE_S", (0.001, 0.001))

    async def run() -> None:
        device = Device()
        cpu = torch.device("cpu")
        places = Places([Place(cpu, WeakValueDictionary()) for _ in range(count)], device.probe)
        try:
            async with asyncio.timeout(20):
                await test(places, device)
        finally:
            await places.close()

    asyncio.run(run())


def test_each_place_is_lent_to_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(places: Places, _: Device) -> None:
        first, second = await places.lend(), await places.lend()
        assert first is not second
        third = asyncio.create_task(places.lend())
        await asyncio.sleep(0)
        assert not third.done()
        places.give_back(first)
        assert await third is first

    with_places(2, test, monkeypatch)


def test_a_place_that_failed_is_suspect_until_it_answers_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(places: Places, device: Device) -> None:
        device.gate.clear()
        place = await places.lend()
        places.give_back_failed(place, MODEL)
        next_one = asyncio.create_task(places.lend())
        await asyncio.sleep(0.01)
        assert places.suspect is place
        assert not next_one.done()
        device.gate.set()
        assert await next_one is place
        assert places.suspect is None
        assert device.probed == [(place, MODEL)]

    with_places(1, test, monkeypatch)


def test_the_other_places_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(places: Places, device: Device) -> None:
        device.well = False
        first, second = await places.lend(), await places.lend()
        places.give_back_failed(first, MODEL)
        places.give_back(second)
        for _ in range(10):
            lent = await places.lend()
            assert lent is second
            places.give_back(lent)
            await asyncio.sleep(0.001)
        assert places.suspect is first

    with_places(2, test, monkeypatch)


def test_where_no_place_answers_its_probe_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(places: Places, device: Device) -> None:
        device.well = False
        place = await places.lend()
        waiting = asyncio.create_task(places.lend())
        await asyncio.sleep(0)
        places.give_back_failed(place, MODEL)
        with pytest.raises(NotReady, match="does not answer a probe"):
            await waiting
        device.well = True
        while places.suspect is not None:
            await asyncio.sleep(0.001)
        assert await places.lend() is place

    with_places(1, test, monkeypatch)
