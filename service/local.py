"""The same answers without HTTP, for the command line: decode, classify, certify in this process."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from service import use_cases
from service.choices import CertificateChoice, ClassifyChoice
from service.errors import NotReady
from service.images.served_image import ServedImage
from service.jobs import Classifier
from service.runtime import Runtime
from service.schemas import CertifyAnswer, ClassifyAnswer, ImageCertification
from service.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class LocalService:
    """A started runtime; its answers are those of the routes."""

    runtime: Runtime

    async def classify(self, images: Sequence[bytes], *, choice: ClassifyChoice) -> ClassifyAnswer:
        """Classifies encoded images (PNG, JPEG, WebP).

        Raises:
            ValueError: an effort was named for `adam`.
            ServiceError: one of them cannot be decoded; inference failed.
        """
        model = self.runtime.model(None, None)
        return await use_cases.classify(self.runtime, model, partial(self._read, images), choice=choice)

    async def certify(
        self, images: Sequence[bytes], *, choice: CertificateChoice, classifier: Classifier = "latent"
    ) -> CertifyAnswer:
        """Certifies encoded images (PNG, JPEG, WebP).

        Raises:
            ServiceError: one of them cannot be decoded; inference failed.
        """
        model = self.runtime.model(None, None)
        return await use_cases.certify(
            self.runtime, model, partial(self._read, images), choice=choice, classifier=classifier
        )

    async def compare_certificates(self, image: bytes, *, choice: CertificateChoice) -> list[ImageCertification]:
        """Certifies an encoded image by every method that the model has, and attacks each classifier certified.

        Each is held against the served prediction of its own kind, so that classifiers that differ do not make it 0.

        Args:
            image: PNG, JPEG or WebP.
            choice: its smoothing settings are taken, its method and `bracket` are not.

        Raises:
            ServiceError: it cannot be decoded; inference failed.
        """
        model = self.runtime.model(None, None)
        found = []
        for method in model.methods:
            classifier: Classifier = "latent" if method == "exact-inference" else model.smoothing_base
            answer = await self.certify(
                [image], choice=replace(choice, method=method, bracket=True), classifier=classifier
            )
            found += answer.results
        return found

    async def _read(self, images: Sequence[bytes]) -> list[ServedImage]:
        return await self.runtime.read_sources(images, self.runtime.model(None, None))


@asynccontextmanager
async def local_service(settings: Settings) -> AsyncIterator[LocalService]:
    """Loads the first model of the settings, and frees it at the end.

    Raises:
        NotReady: it could not be loaded; the log has the cause.
    """
    # A queue's bound keeps clients from waiting; here there is one, and it wants to.
    runtime = Runtime(settings.model_copy(update={"max_queue": sys.maxsize}))
    try:
        await runtime.start()
        reason = runtime.unready_because()
        if reason is not None:
            raise NotReady(reason, retry_after=1)
        yield LocalService(runtime)
    finally:
        await runtime.stop()


def classify_locally(
    images: Sequence[bytes], settings: Settings, *, choice: ClassifyChoice | None = None
) -> ClassifyAnswer:
    """Classifies encoded images with the first model of the settings; blocks until it is done."""
    return _ask(settings, lambda service: service.classify(images, choice=choice or ClassifyChoice()))


def certify_locally(
    images: Sequence[bytes],
    settings: Settings,
    *,
    choice: CertificateChoice,
    classifier: Classifier = "latent",
) -> CertifyAnswer:
    """Certifies encoded images with the first model of the settings; blocks until it is done."""
    return _ask(settings, lambda service: service.certify(images, choice=choice, classifier=classifier))


def certify_and_compare_locally(
    images: Sequence[bytes],
    settings: Settings,
    *,
    choice: CertificateChoice,
    classifier: Classifier = "latent",
) -> tuple[CertifyAnswer, list[ImageCertification]]:
    """The answer of `certify_locally`, and the first image certified by every method that the model has."""

    async def ask(service: LocalService) -> tuple[CertifyAnswer, list[ImageCertification]]:
        answer = await service.certify(images, choice=choice, classifier=classifier)
        return answer, await service.compare_certificates(images[0], choice=choice)

    return _ask(settings, ask)


def _ask(settings: Settings, ask: Callable[[LocalService], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with local_service(settings) as service:
            return await ask(service)

    return asyncio.run(run())
