"""What a call does, by a clock of its own: nothing here waits."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from client import ConnectionFailed, ModelReplaced, Overloaded, RequestLimits, Retries, UnexpectedAnswer
from client.answers import CertifyAnswer, ClassifyAnswer
from client.calls import Calls
from client.effects import Pause, Send, Steps, T, Work
from service.routes.examples import certify_examples, classify_examples
from tests.service.pictures import random_png

EXAMPLES = classify_examples()
ANSWER: dict[str, Any] = EXAMPLES["answered"]["value"]


@dataclass
class Stage:
    """Plays a call with the answers that it is given, and remembers what was sent and how long was waited."""

    answers: list[httpx.Response | httpx.RequestError]
    now: float = 100.0
    oversleeps: float = 0.0
    sent: list[Send] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def play(self, steps: Steps[T]) -> T:
        done: Any = None
        while True:
            try:
                effect = steps.send(done)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            match effect:
                case Send():
                    self.sent.append(effect)
                    done = self.answers.pop(0)
                    done.request = httpx.Request(effect.method, f"http://server{effect.path}")
                case Pause():
                    self.pauses.append(effect.seconds)
                    self.now += effect.seconds + self.oversleeps
                case Work():
                    done = effect.run()

    def calls(self, **settings: Any) -> Calls:
        return Calls(now=lambda: self.now, **settings)


def answered(version: str = "1") -> httpx.Response:
    model = {**ANSWER["model"], "version": version}
    return httpx.Response(200, json={**ANSWER, "model": model})


def refused(status: int, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, text="busy")


def test_a_retry_has_the_request_id_of_the_first_attempt_and_the_time_that_is_left() -> None:
    stage = Stage([refused(429, Retry_After="10"), httpx.ConnectError("refused"), answered()])
    calls = stage.calls(timeout_s=60, retries=Retries(first_s=0, longest_s=0))
    stage.play(calls.classify(random_png(), {}, None))
    assert stage.pauses == [10, 0]
    assert len({send.headers["X-Request-Id"] for send in stage.sent}) == 1
    assert [send.headers["X-Request-Timeout-Ms"] for send in stage.sent] == ["60000", "50000", "50000"]
    assert [send.timeout.read for send in stage.sent] == [60, 50, 50]


def test_a_date_to_come_again_is_honoured() -> None:
    headers = {"Retry_After": "Fri, 01 May 2026 12:00:20 GMT", "Date": "Fri, 01 May 2026 12:00:00 GMT"}
    stage = Stage([refused(503, **headers), answered()])
    stage.play(stage.calls(retries=Retries(first_s=0, longest_s=0)).classify(random_png(), {}, None))
    assert stage.pauses == [20]


def test_a_pause_beyond_the_deadline_is_not_begun() -> None:
    stage = Stage([refused(429, Retry_After="61")])
    with pytest.raises(Overloaded) as error:
        stage.play(stage.calls(timeout_s=60).classify(random_png(), {}, None))
    assert error.value.retry_after == 61
    assert stage.pauses == []


def test_a_pause_that_lasts_too_long_leaves_the_last_attempt_a_moment() -> None:
    stage = Stage([refused(429, Retry_After="59"), answered()], oversleeps=10)
    stage.play(stage.calls(timeout_s=60, retries=Retries(first_s=0, longest_s=0)).classify(random_png(), {}, None))
    assert stage.sent[1].timeout.read == pytest.approx(0.001)
    assert stage.sent[1].headers["X-Request-Timeout-Ms"] == "1"


def test_attempts_come_to_an_end() -> None:
    stage = Stage([httpx.ConnectError("refused") for _ in range(3)])
    with pytest.raises(ConnectionFailed) as error:
        stage.play(stage.calls(retries=Retries(attempts=3)).classify(random_png(), {}, None))
    assert isinstance(error.value.__cause__, httpx.ConnectError)
    assert len(stage.pauses) == 2


def test_results_of_several_requests_are_one_answer_with_one_request_id() -> None:
    stage = Stage([answered(), answered(), answered()])
    calls = stage.calls(limits=RequestLimits(images=1))
    answer = stage.play(calls.classify([random_png(seed) for seed in range(3)], {"effort": "fast"}, "mine"))
    assert len(answer.results) == 3
    assert answer.timing_ms.inference == pytest.approx(3 * ANSWER["timing_ms"]["inference"])
    assert [send.headers["X-Request-Id"] for send in stage.sent] == ["mine"] * 3
    assert [send.params for send in stage.sent] == [{"effort": "fast"}] * 3


def test_results_of_two_models_are_no_answer() -> None:
    stage = Stage([answered("1"), answered("2")])
    calls = stage.calls(limits=RequestLimits(images=1))
    with pytest.raises(ModelReplaced, match=r"version 1 .* version 2"):
        stage.play(calls.classify([random_png(0), random_png(1)], {}, None))


def test_another_number_of_results_is_no_answer() -> None:
    stage = Stage([answered()])
    with pytest.raises(UnexpectedAnswer, match="expected 2 results, got 1"):
        stage.play(stage.calls().classify([random_png(0), random_png(1)], {}, None))


def test_options_that_are_none_are_not_sent() -> None:
    stage = Stage([answered()])
    stage.play(stage.calls().classify(random_png(), {"model": "mnist", "version": None}, None))
    assert stage.sent[0].params == {"model": "mnist"}


def test_a_models_name_cannot_leave_its_path() -> None:
    stage = Stage([httpx.Response(404, text="no")])
    with pytest.raises(Exception, match="404"):
        stage.play(stage.calls().model("../healthz?"))
    assert stage.sent[0].path == "/models/..%2Fhealthz%3F"


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_every_documented_answer_is_read_in_full(example: dict[str, Any]) -> None:
    read = ClassifyAnswer.model_validate(example["value"])
    assert read.model_dump(mode="json", exclude_unset=True) == example["value"]


def test_every_documented_certificate_is_read_in_full() -> None:
    for example in certify_examples().values():
        read = CertifyAnswer.model_validate(example["value"])
        assert read.model_dump(mode="json", exclude_unset=True) == example["value"]


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Calls(timeout_s=0)
