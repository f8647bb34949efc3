import asyncio
import contextvars

from service.cache.breaker import CircuitBreaker


class Patient:
    """Is well when it is told to be; counts how often it was asked."""

    def __init__(self) -> None:
        self.is_well = False
        self.asked = asyncio.Event()
        self.times = 0

    async def probe(self) -> bool:
        self.times += 1
        self.asked.set()
        return self.is_well


def breaker_of(patient: Patient, *, pause_s: float = 0.001) -> CircuitBreaker:
    return CircuitBreaker(patient.probe, failures=3, pause_s=pause_s)


def test_it_opens_after_failures_in_a_row_and_says_so_once() -> None:
    async def run() -> None:
        breaker = breaker_of(Patient(), pause_s=60)
        assert [breaker.failed() for _ in range(5)] == [False, False, True, False, False]
        assert breaker.is_open
        await breaker.close()

    asyncio.run(run())


def test_a_success_between_failures_keeps_it_closed() -> None:
    async def run() -> None:
        breaker = breaker_of(Patient())
        for _ in range(5):
            assert not breaker.failed()
            assert not breaker.failed()
            breaker.succeeded()
        assert not breaker.is_open

    asyncio.run(run())


def test_it_stays_open_until_a_probe_succeeds_and_counts_from_nothing_then() -> None:
    async def run() -> None:
        patient = Patient()
        breaker = breaker_of(patient)
        for _ in range(3):
            breaker.failed()
        for _ in range(3):
            patient.asked.clear()
            await patient.asked.wait()
            assert breaker.is_open
        patient.is_well = True
        while breaker.is_open:
            await asyncio.sleep(0.001)
        times = patient.times
        assert [breaker.failed() for _ in range(2)] == [False, False]
        await asyncio.sleep(0.01)
        assert patient.times == times
        assert breaker.failed()
        await breaker.close()

    asyncio.run(run())


def test_a_late_success_does_not_close_it() -> None:
    async def run() -> None:
        breaker = breaker_of(Patient(), pause_s=60)
        for _ in range(3):
            breaker.failed()
        breaker.succeeded()
        assert breaker.is_open
        await breaker.close()

    asyncio.run(run())


def test_it_is_not_probed_in_the_name_of_the_request_that_failed_last() -> None:
    request = contextvars.ContextVar("request", default="none")
    seen = []

    async def probe() -> bool:
        seen.append(request.get())
        return True

    async def run() -> None:
        breaker = CircuitBreaker(probe, failures=1, pause_s=0.001)
        request.set("mine")
        breaker.failed()
        while breaker.is_open:
            await asyncio.sleep(0.001)

    asyncio.run(run())
    assert seen == ["none"]


def test_closing_leaves_no_task() -> None:
    async def run() -> None:
        breaker = breaker_of(Patient())
        for _ in range(3):
            breaker.failed()
        await asyncio.sleep(0.005)
        await breaker.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
