"""Every call: what is sent, when it is sent again, and what its answer means."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from client.answers import Answer, CertifyAnswer, ClassifyAnswer, Health, ModelDetails, ModelList, Readiness
from client.bodies import Body, RequestLimits, bodies_of
from client.effects import Pause, Send, Steps, Work
from client.errors import (
    BadImage,
    ConnectionFailed,
    EABSError,
    ModelReplaced,
    TimedOut,
    UnexpectedAnswer,
    problem_of,
)
from client.images import ImageSources
from client.options import CertifyOptions, ClassifyOptions
from client.retries import ONCE, Retries

_CONNECT_S = 5.0
_LEAST_S = 0.001

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)
AnswerAboutImages = TypeVar("AnswerAboutImages", ClassifyAnswer, CertifyAnswer)


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The calls of a client. Each is a generator of effects that returns the answer.

    timeout_s: time for each request, its repetitions and the pauses between them included.
    retries: what is sent again, and when.
    limits: what goes into one request.
    now: a clock that never goes back, in s.
    """

    timeout_s: float = 60.0
    retries: Retries = field(default_factory=Retries)
    limits: RequestLimits = field(default_factory=RequestLimits)
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s: expected more than 0, got {self.timeout_s}")

    def classify(self, images: ImageSources, options: ClassifyOptions, request_id: str | None) -> Steps[ClassifyAnswer]:
        return self._of_images("/classify", ClassifyAnswer, images, options, request_id)

    def certify(self, images: ImageSources, options: CertifyOptions, request_id: str | None) -> Steps[CertifyAnswer]:
        return self._of_images("/certify", CertifyAnswer, images, options, request_id)

    def certify_image_id(self, image_id: str, options: CertifyOptions, request_id: str | None) -> Steps[CertifyAnswer]:
        query = {**options, "image_id": image_id}
        return self._ask("GET", "/certify", CertifyAnswer, request_id or _new_id(), query=query)

    def models(self) -> Steps[ModelList]:
        return self._ask("GET", "/models", ModelList, _new_id())

    def model(self, name: str) -> Steps[ModelDetails]:
        return self._ask("GET", f"/models/{quote(name, safe='')}", ModelDetails, _new_id())

    def health(self) -> Steps[Health]:
        return self._ask("GET", "/healthz", Health, _new_id(), retries=ONCE)

    def ready(self) -> Steps[Readiness]:
        # Whoever asks wants to know how it is now, not to wait until it is otherwise.
        return self._ask("GET", "/readyz", Readiness, _new_id(), retries=ONCE)

    def _of_images(
        self,
        path: str,
        form: type[AnswerAboutImages],
        images: ImageSources,
        options: Mapping[str, Any],
        request_id: str | None,
    ) -> Steps[AnswerAboutImages]:
        named = request_id or _new_id()
        bodies = bodies_of(images, self.limits)
        answers: list[AnswerAboutImages] = []
        while True:
            body: Body | None = yield Work(partial(next, bodies, None))
            if body is None:
                break
            answer = yield from self._ask("POST", path, form, named, query=options, body=body)
            if len(answer.results) != body.images:
                found = f"expected {body.images} results, got {len(answer.results)}"
                raise UnexpectedAnswer(found, request_id=answer.request_id)
            if answers and answer.model != answers[0].model:
                was, now = (f"version {one.model.version} ({one.model.digest})" for one in (answers[0], answer))
                raise ModelReplaced(
                    f"expected answers of one model, got {answer.model.name} {was}, then {now}",
                    request_id=answer.request_id,
                )
            answers.append(answer)
        if not answers:
            raise BadImage("expected at least one image, got none")
        return _joined(answers)

    def _ask(
        self,
        method: str,
        path: str,
        form: type[AnyAnswer],
        request_id: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Body | None = None,
        retries: Retries | None = None,
    ) -> Steps[AnyAnswer]:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        ends = self.now() + self.timeout_s
        for attempt in count():
            # A pause may have lasted longer than it was meant to.
            remaining = max(_LEAST_S, ends - self.now())
            headers = {
                "X-Request-Id": request_id,
                # So that the server does not go on with what nobody waits for.
                "X-Request-Timeout-Ms": str(int(1000 * remaining)),
            }
            if body is not None:
                headers["Content-Type"] = body.content_type
            found: httpx.Response | httpx.RequestError = yield Send(
                method=method,
                path=path,
                params=params,
                headers=headers,
                content=None if body is None else body.content,
                timeout=httpx.Timeout(remaining, connect=min(_CONNECT_S, remaining)),
            )
            if isinstance(found, httpx.Response) and found.is_success:
                return _read(found, form, request_id)
            error, cause = _error_of(found, request_id)
            pause_s = (retries or self.retries).pause_s(attempt, error)
            if pause_s is None or self.now() + pause_s >= ends:
                raise error from cause
            yield Pause(pause_s)
        raise AssertionError("the last attempt returns or raises")


def _joined(answers: list[AnswerAboutImages]) -> AnswerAboutImages:
    if len(answers) == 1:
        return answers[0]
    results = tuple(result for answer in answers for result in answer.results)
    timing = sum((answer.timing_ms for answer in answers[1:]), start=answers[0].timing_ms)
    return answers[0].model_copy(update={"results": results, "timing_ms": timing})


def _read(response: httpx.Response, form: type[AnyAnswer], request_id: str) -> AnyAnswer:
    try:
        return form.model_validate_json(response.content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, found["loc"])) or "the body"
        raise UnexpectedAnswer(
            f"{response.url}: expected a {form.__name__}, got another answer at {where}: {found['msg']}",
            request_id=request_id,
        ) from error


def _error_of(found: httpx.Response | httpx.RequestError, request_id: str) -> tuple[EABSError, Exception | None]:
    if isinstance(found, httpx.Response):
        return problem_of(found, request_id=request_id), None
    detail = f"{found.request.url}: {found or type(found).__name__}"
    if isinstance(found, httpx.TimeoutException) and not isinstance(found, httpx.ConnectTimeout):
        return TimedOut(detail, request_id=request_id), found
    if isinstance(found, httpx.TransportError):
        return ConnectionFailed(detail, request_id=request_id), found
    return UnexpectedAnswer(detail, request_id=request_id), found


def _new_id() -> str:
    return uuid.uuid4().hex
