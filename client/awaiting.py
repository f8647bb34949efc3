"""The client that awaits, on asyncio."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from client.answers import (
    CertifyAnswer,
    ClassifyAnswer,
    Health,
    ImageClassification,
    ModelDetails,
    ModelList,
    Readiness,
)
from client.bodies import RequestLimits
from client.calls import Calls
from client.connection import authorisation, build, checked, pool
from client.effects import Effect, Pause, Send, Steps, T, Work
from client.images import ImageSource, ImageSources
from client.options import CertifyOptions, ClassifyOptions
from client.retries import Retries
from client.streams import grouped, in_order


class AsyncClient:
    """Asks a server; its calls are those of `Client`, and may run at the same time. An asynchronous context manager."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retries: Retries | None = None,
        limits: RequestLimits | None = None,
        max_connections: int = 100,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        """The arguments are those of `Client`."""
        self._calls = Calls(timeout_s=timeout_s, retries=retries or Retries(), limits=limits or RequestLimits())
        self._http = httpx.AsyncClient(
            base_url=checked(url), headers=authorisation(api_key), limits=pool(max_connections), verify=verify
        )

    async def classify(
        self, images: ImageSources, *, request_id: str | None = None, **options: Unpack[ClassifyOptions]
    ) -> ClassifyAnswer:
        """As `Client.classify`."""
        return await self._run(self._calls.classify(images, options, request_id))

    async def classify_many(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        *,
        concurrency: int = 4,
        batch: int = 16,
        **options: Unpack[ClassifyOptions],
    ) -> AsyncGenerator[ImageClassification, None]:
        """Classifies a stream: yields each image's result, in the stream's order, however long it is.

        Images are taken as fast as they are answered and their results taken: no more than `concurrency` requests of
        `batch` images are held at a time. A stream outlives models: name a `version`, and all of it is answered by
        one. The first error ends it. Close it (`contextlib.aclosing`) to leave before its end.

        Args:
            images: a plain iterable's next image is taken in a thread, so that it may read files.
            concurrency: requests under way at the same time.
            batch: images in a request, at most what the client's limits say.
            options: see `ClassifyOptions`.
        """
        if min(concurrency, batch) < 1:
            raise ValueError(f"expected concurrency and batch of at least 1, got {concurrency} and {batch}")
        ask = partial(self.classify, **options)
        async with aclosing(in_order(grouped(images, batch), ask, concurrency=concurrency)) as answers:
            async for answer in answers:
                for result in answer.results:
                    yield result

    async def certify(
        self, images: ImageSources, *, request_id: str | None = None, **options: Unpack[CertifyOptions]
    ) -> CertifyAnswer:
        """As `Client.certify`."""
        return await self._run(self._calls.certify(images, options, request_id))

    async def certify_image_id(
        self, image_id: str, *, request_id: str | None = None, **options: Unpack[CertifyOptions]
    ) -> CertifyAnswer:
        """As `Client.certify_image_id`."""
        return await self._run(self._calls.certify_image_id(image_id, options, request_id))

    async def models(self) -> ModelList:
        """As `Client.models`."""
        return await self._run(self._calls.models())

    async def model(self, name: str) -> ModelDetails:
        """As `Client.model`."""
        return await self._run(self._calls.model(name))

    async def health(self) -> Health:
        """As `Client.health`."""
        return await self._run(self._calls.health())

    async def ready(self) -> Readiness:
        """As `Client.ready`."""
        return await self._run(self._calls.ready())

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        done: Any = None
        while True:
            try:
                effect = steps.send(done)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            done = await self._do(effect)

    async def _do(self, effect: Effect) -> Any:
        match effect:
            case Send():
                try:
                    return await self._http.send(build(self._http, effect))
                except httpx.RequestError as error:
                    return error
            case Pause():
                return await asyncio.sleep(effect.seconds)
            case Work():
                return await asyncio.to_thread(effect.run)
