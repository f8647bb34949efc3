"""No name that a client chooses becomes a path, whatever it is the name of."""

import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.service.api import expect_it_still_classifies
from tests.service.pictures import random_png

MARK = "hostile7f3a"
NAMES = [
    f"../{MARK}",
    f"../../../../etc/{MARK}",
    f"/{MARK}",
    f"{MARK}\x00.png",
    f"..\\{MARK}",
    f"C:\\{MARK}",
    f"~{MARK}/x",
]
_touched: list[str] = []
_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.putenv":  # by which pytest says what test runs
        return
    if _watching and event.partition(".")[0] in {"open", "os", "shutil", "pathlib", "glob", "subprocess", "import"}:
        seen = f"{event} {arguments!r}"
        if MARK in seen:
            _touched.append(seen)


sys.addaudithook(_watch)


@pytest.fixture
def touched() -> Iterator[list[str]]:
    """Whatever this process asks of the file system with the mark in its name."""
    global _watching  # noqa: PLW0603 - a hook cannot be taken back
    _touched.clear()
    _watching = True
    yield _touched
    _watching = False


def test_the_watch_sees_what_is_opened(touched: list[str]) -> None:
    with pytest.raises(FileNotFoundError):
        open(f"/nowhere/{MARK}")  # noqa: PTH123, SIM115
    assert touched


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_client_reaches_the_file_system(client: httpx.Client, touched: list[str], name: str) -> None:
    png = random_png(5)
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())
    raw = {"Content-Type": "image/png"}
    answers = [
        client.post("/classify", files=[("image", (name, png, "image/png"))]),
        client.post("/classify", files=[(name, ("a.png", png, "image/png"))]),
        client.post("/classify", content=png, headers=raw, params={"model": name}),
        client.post("/classify", content=png, headers=raw, params={"version": name}),
        client.post("/classify", json={"images": [{"data": name}]}),
        client.get("/certify", params={"image_id": name}),
        client.get("/certify", params={"image": name}),
        client.get(f"/models/{quoted}"),
        client.get(f"/{quoted}"),
        client.get(f"/docs/{quoted}"),
        client.get(f"/v2/models/{quoted}"),
        client.get(f"/v2/models/mnist/versions/{quoted}"),
        client.post(f"/v2/models/{quoted}/infer", json={"id": name, "inputs": [{"name": name}]}),
        client.post(f"/v2/repository/models/{quoted}/load"),
    ]
    assert not touched
    assert answers[0].status_code == 200, "the file's name is ignored"
    assert all(400 <= answer.status_code < 500 for answer in answers[1:]), [a.status_code for a in answers]
    expect_it_still_classifies(client)


@pytest.mark.parametrize("path", ["/classify?x=" + "a" * 60_000, "/" + "a" * 60_000])
def test_an_endless_address_is_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in {400, 404, 405, 414}
    expect_it_still_classifies(client)


@pytest.mark.parametrize("headers", [{"X-Huge": "a" * 200_000}, {f"X-{index}": "a" for index in range(10_000)}])
def test_endless_headers_are_refused_or_ignored(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.get("/healthz", headers=headers).status_code in {200, 400, 431}
    expect_it_still_classifies(client)
