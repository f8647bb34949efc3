"""Clients that ask a server for known images, and know what is right."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.service.api import post_form, post_png, result
from tests.service.pictures import random_png

CLIENTS = 4
IMAGES = [random_png(500_000 + index) for index in range(8)]


class RightAnswers:
    """What a calm server answers about each image, and whether another answer says the same."""

    def __init__(self, client: httpx.Client) -> None:
        self.classified = [result(post_png(client, "/classify", data, model="mnist")) for data in IMAGES]
        self.certified = [
            result(post_png(client, "/certify", data, model="mnist", method="finite-bank")) for data in IMAGES
        ]

    def check_classified(self, index: int, found: dict[str, Any]) -> None:
        expected = self.classified[index]
        assert found["image_id"] == expected["image_id"]
        assert found["prediction"] == expected["prediction"]
        for name in ("log_likelihood", "reconstruction_distance"):
            values = [[each[name] for each in answer["classes"]] for answer in (found, expected)]
            assert values[0] == pytest.approx(values[1], rel=1e-4)

    def check_certified(self, index: int, found: dict[str, Any]) -> None:
        expected = self.certified[index]
        assert found["image_id"] == expected["image_id"]
        assert found["prediction"] == expected["prediction"]
        assert found["certificate"]["radius"] == pytest.approx(expected["certificate"]["radius"], rel=1e-4)


class Load:
    """Several clients at once; every answer is checked."""

    def __init__(self, url: str, right: RightAnswers) -> None:
        self._url = url
        self._right = right
        self._answered = [0] * CLIENTS
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS)

    def __enter__(self) -> "Load":
        self._clients = [self._pool.submit(self._work, number) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        """Raises what went wrong, if anything did."""
        self._stop.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()

    def more(self, count: int) -> None:
        """Returns when as many more requests are answered, or one has gone wrong."""
        goal = sum(self._answered) + count
        give_up = time.monotonic() + 120
        while sum(self._answered) < goal and not any(client.done() for client in self._clients):
            assert time.monotonic() < give_up
            time.sleep(0.005)

    def _work(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            for turn in itertools.count(number):
                if self._stop.is_set():
                    return
                self._ask(client, turn)
                self._answered[number] += 1

    def _ask(self, client: httpx.Client, turn: int) -> None:
        index = turn % len(IMAGES)
        kind = turn // len(IMAGES) % 4
        if kind == 0:
            self._right.check_classified(index, result(post_png(client, "/classify", IMAGES[index])))
        elif kind == 1:
            several = [index, (index + 3) % len(IMAGES), index]
            answer = post_form(client, "/classify", *(IMAGES[each] for each in several))
            assert answer.status_code == 200, answer.text
            for each, found in zip(several, answer.json()["results"], strict=True):
                self._right.check_classified(each, found)
        elif kind == 2:
            found = result(post_png(client, "/certify", IMAGES[index], method="finite-bank"))
            self._right.check_certified(index, found)
        else:
            identity = self._right.certified[index]["image_id"]
            answer = client.get("/certify", params={"image_id": identity, "method": "finite-bank"})
            # The image is nowhere but in Redis, which may have lost it.
            if answer.status_code != 404:
                self._right.check_certified(index, result(answer))
