"""Good, bad and vanishing clients at the same time; afterwards the server is as it was."""

import asyncio
from collections import Counter

import httpx

from tests.service.api import expect_it_still_classifies
from tests.service.pictures import huge_png, random_png
from tests.service.running_server import RunningServer

REQUESTS = 300


async def _good(client: httpx.AsyncClient, index: int) -> int:
    images = [("image", random_png(10_000 + 3 * index + part)) for part in range(1 + index % 3)]
    return (await client.post("/classify", files=images)).status_code


async def _bad(client: httpx.AsyncClient, index: int) -> int:
    bodies = (b"I am a text", random_png()[:40], huge_png(), b"")
    answer = await client.post("/classify", content=bodies[index % 4], headers={"Content-Type": "image/png"})
    return answer.status_code


async def _vanishing(server: RunningServer, index: int) -> int:
    body = random_png(20_000 + index)
    head = (
        "POST /classify?effort=standard HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    data = head.encode() + body
    _, writer = await asyncio.open_connection("127.0.0.1", server.settings.port)
    writer.write(data[: len(data) if index % 2 else len(data) // 2])
    await writer.drain()
    writer.transport.abort()
    return 0


async def _storm(server: RunningServer) -> Counter[int]:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits) as client:
        works = []
        for index in range(REQUESTS):
            kind = index % 3
            if kind == 0:
                works.append(_good(client, index // 3))
            elif kind == 1:
                works.append(_bad(client, index // 3))
            else:
                works.append(_vanishing(server, index // 3))
        return Counter(await asyncio.gather(*works))


def test_300_requests_of_all_kinds_leave_the_server_as_it_was(server: RunningServer, client: httpx.Client) -> None:
    statuses = asyncio.run(_storm(server))
    assert statuses == {200: 100, 0: 100, 400: 50, 413: 25, 415: 25}
    expect_it_still_classifies(client)
    runtime = server.app.state.runtime
    assert runtime.body_budget.held == 0
    assert runtime.unready_because() is None
