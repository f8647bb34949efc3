"""Clients that classify all the time, and what the answers ought to be."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from PIL import Image

from client import Client, EABSError
from service.choices import ClassifyChoice
from service.local import local_service
from service.settings import Settings
from tests.docker.monitoring import ROOT
from tests.service.pictures import png

DIGITS = sorted((ROOT / "docs" / "examples").glob("mnist-?-?.png"))
_BATCH = 64


class Load:
    """What came of the requests: the prediction for each image that was answered, and how many requests failed."""

    def __init__(self, client: Client) -> None:
        self.answers: dict[bytes, int] = {}
        self.failed = 0
        self._client = client
        self._stopped = threading.Event()

    @contextmanager
    def running(self, *, clients: int) -> Iterator[None]:
        """So many clients send one new image after the other."""
        with ThreadPoolExecutor(clients) as threads:
            sending = [threads.submit(self._send) for _ in range(clients)]
            try:
                yield
            finally:
                self._stopped.set()
        for one in sending:
            one.result()

    def _send(self) -> None:
        while not self._stopped.is_set():
            (image,) = fresh_images(1)
            try:
                self.answers[image] = self._client.classify(image).results[0].prediction.index
            except EABSError:
                self.failed += 1
                time.sleep(0.2)


def fresh_images(count: int) -> list[bytes]:
    """PNGs that nobody has seen before: real digits under noise, no class as good as another."""
    random = np.random.default_rng(int.from_bytes(os.urandom(8)))
    images = []
    for _ in range(count):
        digit = np.asarray(Image.open(random.choice(DIGITS)), dtype=np.float64)
        images.append(png(np.clip(digit + random.normal(0, 20, digit.shape), 0, 255).astype(np.uint8)))
    return images


def computed_here(images: Sequence[bytes]) -> list[int]:
    """The predictions of the bundled model in this process, without a server, a container or a cache."""

    async def classify() -> list[int]:
        async with local_service(Settings(cache_bytes=0)) as local:
            found = []
            for first in range(0, len(images), _BATCH):
                answer = await local.classify(images[first : first + _BATCH], choice=ClassifyChoice())
                found += [result.prediction.index for result in answer.results]
            return found

    return asyncio.run(classify())
