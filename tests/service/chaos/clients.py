"""Clients of every kind: good, bad, slow, hasty and vanishing ones. Each returns what it was answered."""

import asyncio
import base64
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

from service.images.served_image import identity_of
from tests.service.pictures import huge_png, png, random_pixels

IMAGES = 300
KEY = "eabs_chaos"


@dataclass(frozen=True)
class Picture:
    """One of the images that are classified again and again: its pixels as the model sees them, and its file."""

    pixels: np.ndarray[Any, np.dtype[np.float32]]
    file: bytes

    @property
    def identity(self) -> str:
        return identity_of(self.pixels)


def make_pictures(count: int = IMAGES) -> list[Picture]:
    """Noise of many contrasts, so that no two images have nearly the same scores."""
    pictures = []
    for seed in range(count):
        values = (random_pixels(seed) * ((seed + 1) / count)).astype(np.uint8)
        pictures.append(Picture(values[None].astype(np.float32) / np.float32(255), png(values)))
    return pictures


@dataclass(frozen=True)
class Answer:
    """What one request came to: its status (0: the client did not wait for one), and the results in its body."""

    kind: str
    status: int
    classifier: str = "latent"
    results: list[dict[str, Any]] = field(default_factory=list)
    retry_after: str | None = None


@dataclass(frozen=True)
class Response:
    """What a server has answered."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Many connections to one server; httpx would take longer to ask than the server to answer."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Response:
        return await self._request("GET", path)

    async def post(self, path: str, content: Any, content_type: str, **headers: str) -> Response:
        return await self._request("POST", path, data=content, headers={"Content-Type": content_type, **headers})

    async def post_json(self, path: str, document: object) -> Response:
        return await self._request("POST", path, json=document)

    async def post_files(self, path: str, files: Iterable[bytes]) -> Response:
        form = aiohttp.FormData()
        for file in files:
            form.add_field("image", file, filename="image.png", content_type="image/png")
        return await self._request("POST", path, data=form)

    async def _request(self, method: str, path: str, **arguments: Any) -> Response:
        async with self._session.request(method, path, **arguments) as answer:
            return Response(answer.status, answer.headers, await answer.read())


@dataclass(frozen=True)
class Target:
    """A server under test: its client, its port, and the images that it is sent."""

    client: Client
    port: int
    pictures: list[Picture]


Request = Callable[[Target, random.Random], Awaitable[Answer]]


def _read(kind: str, answer: Response, *, classifier: str = "latent") -> Answer:
    results = answer.json()["results"] if answer.status_code == 200 else []
    return Answer(kind, answer.status_code, classifier, results, answer.headers.get("retry-after"))


async def raw(target: Target, dice: random.Random) -> Answer:
    """One PNG as the body."""
    file = dice.choice(target.pictures).file
    return _read("good", await target.client.post("/classify", file, "image/png"))


async def form(target: Target, dice: random.Random) -> Answer:
    """One to four PNGs in a form, some of them twice."""
    pictures = dice.choices(target.pictures, k=dice.randint(1, 4))
    return _read("good", await target.client.post_files("/classify", [picture.file for picture in pictures]))


async def numbers(target: Target, dice: random.Random) -> Answer:
    """Pixels as JSON, and a file in base64."""
    first, second = dice.sample(target.pictures, 2)
    images = [{"pixels": first.pixels.astype(float).tolist()}, {"data": base64.b64encode(second.file).decode()}]
    return _read("good", await target.client.post_json("/classify", {"images": images}))


async def prototypes(target: Target, dice: random.Random) -> Answer:
    """By the other classifier, with its certificate."""
    path = "/classify?classifier=finite-bank&certificate=finite-bank"
    answer = await target.client.post(path, dice.choice(target.pictures).file, "image/png")
    return _read("good", answer, classifier="finite-bank")


async def infer(target: Target, dice: random.Random) -> Answer:
    """The Open Inference Protocol, read as /classify would have answered."""
    pictures = dice.sample(target.pictures, 2)
    pixels = np.stack([picture.pixels for picture in pictures])
    image = {"name": "image", "datatype": "FP32", "shape": list(pixels.shape), "data": pixels.ravel().tolist()}
    wanted = [{"name": "prediction"}, {"name": "log_likelihood"}]
    answer = await target.client.post_json("/v2/models/mnist/infer", {"inputs": [image], "outputs": wanted})
    if answer.status_code != 200:
        return Answer("good", answer.status_code, retry_after=answer.headers.get("retry-after"))
    outputs = {output["name"]: output["data"] for output in answer.json()["outputs"]}
    likelihoods = np.reshape(outputs["log_likelihood"], (len(pictures), -1)).tolist()
    results = [
        {
            "image_id": picture.identity,
            "prediction": {"index": prediction},
            "classes": [{"log_likelihood": value} for value in row],
        }
        for picture, prediction, row in zip(pictures, outputs["prediction"], likelihoods, strict=True)
    ]
    return Answer("good", 200, results=results)


async def slow(target: Target, dice: random.Random) -> Answer:
    """Sends its body in pieces, with pauses between them."""
    file = dice.choice(target.pictures).file

    async def pieces() -> Any:
        for start in range(0, len(file), len(file) // 4):
            yield file[start : start + len(file) // 4]
            await asyncio.sleep(0.05)

    return _read("good", await target.client.post("/classify", pieces(), "image/png"))


_BODIES: list[tuple[bytes, str, int]] = [
    (b"I am a text", "image/png", 415),
    (random_pixels().tobytes(), "application/octet-stream", 415),
    (png(random_pixels())[:60], "image/png", 400),
    (b"", "image/png", 400),
    (huge_png(), "image/png", 413),
    (b"{", "application/json", 400),
    (b'{"images": []}', "application/json", 422),
    (b'{"images": [{"pixels": [[NaN]]}]}', "application/json", 422),
    (json.dumps({"images": [{"pixels": [[2.0] * 28] * 28}]}).encode(), "application/json", 422),
    (b"--b\r\n", "multipart/form-data; boundary=b", 400),
]


async def bad_body(target: Target, dice: random.Random) -> Answer:
    """A body that no image can be made of."""
    body, content_type, expected = dice.choice(_BODIES)
    answer = await target.client.post("/classify", body, content_type)
    return Answer(f"bad body {expected}", answer.status_code)


async def bad_query(target: Target, dice: random.Random) -> Answer:
    """A question that has no answer."""
    path, expected = dice.choice(
        [
            ("/classify?effort=heroic", 422),
            ("/classify?model=nope", 404),
            ("/classify?version=99", 404),
            ("/nowhere", 404),
            ("/certify?image_id=sha256:0", 404),
        ]
    )
    if path.startswith("/certify"):
        return Answer(f"bad query {expected}", (await target.client.get(path)).status_code)
    answer = await target.client.post(path, target.pictures[0].file, "image/png")
    return Answer(f"bad query {expected}", answer.status_code)


async def unknown(target: Target, dice: random.Random) -> Answer:
    """Has no key, or another one."""
    key = dice.choice(["", "eabs_other"])
    answer = await target.client.post("/classify", target.pictures[0].file, "image/png", **{"X-API-Key": key})
    return Answer("bad key 401", answer.status_code)


async def hasty(target: Target, dice: random.Random) -> Answer:
    """Gives the server less time than an image takes."""
    file = png(random_pixels(dice.randrange(10**9)))
    limit = {"X-Request-Timeout-Ms": str(dice.randint(1, 3))}
    answer = await target.client.post("/classify?effort=thorough", file, "image/png", **limit)
    return Answer("hasty", answer.status_code)


async def stalling(target: Target, dice: random.Random) -> Answer:
    """Sends half of its body and waits."""
    file = dice.choice(target.pictures).file
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(_head(file, "X-Request-Timeout-Ms: 100\r\n") + file[: len(file) // 2])
    status = int((await reader.readline()).split()[1])
    writer.transport.abort()
    return Answer("stalling", status)


async def leaving(target: Target, dice: random.Random) -> Answer:
    """Asks for something long, and hangs up while it is worked on."""
    file = png(random_pixels(dice.randrange(10**9)))
    _, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(_head(file, query="?effort=standard") + file)
    await asyncio.sleep(dice.random() * 0.03)
    writer.transport.abort()
    return Answer("vanishing", 0)


async def cut_off(target: Target, dice: random.Random) -> Answer:
    """Hangs up anywhere in its head or body."""
    file = dice.choice(target.pictures).file
    data = _head(file) + file
    _, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(data[: dice.randint(1, len(data))])
    await writer.drain()
    writer.transport.abort()
    return Answer("vanishing", 0)


async def deaf(target: Target, dice: random.Random) -> Answer:
    """Hangs up in the middle of the answer."""
    file = dice.choice(target.pictures).file
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(_head(file, query="?explain=true") + file)
    await reader.read(50)
    writer.transport.abort()
    return Answer("vanishing", 0)


def _head(body: bytes, more: str = "", *, query: str = "") -> bytes:
    return (
        f"POST /classify{query} HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    ).encode()


MIX: list[tuple[Request, int]] = [
    (raw, 30),
    (form, 10),
    (numbers, 4),
    (prototypes, 8),
    (infer, 4),
    (slow, 4),
    (bad_body, 16),
    (bad_query, 7),
    (unknown, 1),
    (hasty, 3),
    (stalling, 1),
    (leaving, 3),
    (cut_off, 6),
    (deaf, 3),
]
"""The kinds of requests, and how many of a hundred each is."""
