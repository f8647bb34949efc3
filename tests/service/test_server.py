"""An end that loses nothing, as clients see it."""

import signal
import threading
from pathlib import Path

import httpx

from tests.service.pictures import random_png
from tests.service.process.real_process import serving

CLIENTS = 6


def keep_classifying(url: str, seed: int, statuses: list[int], errors: list[str]) -> None:
    """Sends one image after the other until nobody listens any more."""
    with httpx.Client(base_url=url, timeout=60) as client:
        while True:
            seed += 1
            try:
                answer = client.post("/classify", content=random_png(seed), headers={"Content-Type": "image/png"})
            except httpx.ConnectError:
                return
            except httpx.TransportError as error:
                errors.append(repr(error))
                return
            statuses.append(answer.status_code)


def test_sigterm_under_load_loses_no_accepted_request(store_root: Path, tmp_path: Path) -> None:
    with serving(tmp_path, store_root, models="mnist", drain_delay_s=2.0) as process:
        url = process.ready()
        statuses: list[int] = []
        errors: list[str] = []
        clients = [
            threading.Thread(target=keep_classifying, args=(url, 100_000 * number, statuses, errors))
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        process.until(lambda: len(statuses) >= 5 * CLIENTS)
        process.send(signal.SIGTERM)
        readiness = httpx.get(f"{url}/readyz")
        for client in clients:
            client.join()
        assert process.wait() == 0
    assert readiness.status_code == 503
    assert errors == []
    assert set(statuses) == {200}
