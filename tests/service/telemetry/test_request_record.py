import asyncio

from service.telemetry.request_record import current_record, recording


def test_outside_of_a_request_nothing_is_remembered() -> None:
    current_record().model = "mnist@1"
    assert current_record().model is None


def test_what_a_request_starts_writes_on_its_record_and_on_no_other() -> None:
    async def note(model: str) -> None:
        await asyncio.sleep(0)
        current_record().model = model

    async def request(model: str) -> str | None:
        with recording() as record:
            await asyncio.create_task(note(model))
        return record.model

    async def both() -> list[str | None]:
        return await asyncio.gather(request("a@1"), request("b@1"))

    assert asyncio.run(both()) == ["a@1", "b@1"]
