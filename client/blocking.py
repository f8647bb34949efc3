"""The client that blocks."""

import ssl
import time
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from client.answers import CertifyAnswer, ClassifyAnswer, Health, ModelDetails, ModelList, Readiness
from client.bodies import RequestLimits
from client.calls import Calls
from client.connection import authorisation, build, checked, pool
from client.effects import Effect, Pause, Send, Steps, T, Work
from client.images import ImageSources
from client.options import CertifyOptions, ClassifyOptions
from client.retries import Retries


class Client:
    """Asks a server, and waits for its answers. It may be shared by threads; it is a context manager.

    Every call raises a class of `client.errors`.
    """

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
        """Args:
        url: the server's, `http://host:port` and a path if it lies below one.
        api_key: where the server asks for one.
        timeout_s: time for each request, its repetitions and the pauses between them included.
        retries: what is sent again, and when.
        limits: what goes into one request; needed where the server takes less than by default.
        max_connections: open at the same time.
        verify: how the server's certificate is checked.

        Raises:
            ValueError: the address is none, or a number is too small.
        """
        self._calls = Calls(timeout_s=timeout_s, retries=retries or Retries(), limits=limits or RequestLimits())
        self._http = httpx.Client(
            base_url=checked(url), headers=authorisation(api_key), limits=pool(max_connections), verify=verify
        )

    def classify(
        self, images: ImageSources, *, request_id: str | None = None, **options: Unpack[ClassifyOptions]
    ) -> ClassifyAnswer:
        """Classifies one image or many.

        Args:
            images: one or many; as many requests as they need are sent, one after the other, all by one id.
            request_id: letters, digits, `.`, `_` and `-`, 64 at most; by default a random one.
            options: see `ClassifyOptions`.
        """
        return self._run(self._calls.classify(images, options, request_id))

    def certify(
        self, images: ImageSources, *, request_id: str | None = None, **options: Unpack[CertifyOptions]
    ) -> CertifyAnswer:
        """Certifies one image or many; the arguments are those of `classify`, the options `CertifyOptions`."""
        return self._run(self._calls.certify(images, options, request_id))

    def certify_image_id(
        self, image_id: str, *, request_id: str | None = None, **options: Unpack[CertifyOptions]
    ) -> CertifyAnswer:
        """Certifies an image that was classified before, while the server remembers it; else raises `NotFound`."""
        return self._run(self._calls.certify_image_id(image_id, options, request_id))

    def models(self) -> ModelList:
        """Every model of the server's store."""
        return self._run(self._calls.models())

    def model(self, name: str) -> ModelDetails:
        """One model, and its versions that the server has in memory."""
        return self._run(self._calls.model(name))

    def health(self) -> Health:
        """Returns if the process lives; asks once."""
        return self._run(self._calls.health())

    def ready(self) -> Readiness:
        """Returns if the server takes work, raises `Unavailable` if not; asks once."""
        return self._run(self._calls.ready())

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        done: Any = None
        while True:
            try:
                effect = steps.send(done)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            done = self._do(effect)

    def _do(self, effect: Effect) -> Any:
        match effect:
            case Send():
                try:
                    return self._http.send(build(self._http, effect))
                except httpx.RequestError as error:
                    return error
            case Pause():
                return time.sleep(effect.seconds)
            case Work():
                return effect.run()
