import asyncio

from starlette.types import Message, Receive, Scope, Send

from service.middleware.lingering import LingeringMiddleware


def exchange(status: int, chunks: int, linger_s: float = 5) -> tuple[list[Message], int]:
    """What is sent where the application answers without reading; and how many of the client's chunks were taken."""
    sent: list[Message] = []
    taken = 0

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})

    async def receive() -> Message:
        nonlocal taken
        if taken == chunks:
            await asyncio.Event().wait()
        taken += 1
        return {"type": "http.request", "body": b"x", "more_body": taken < 10}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(LingeringMiddleware(app, linger_s)({"type": "http"}, receive, send))
    return sent, taken


def test_the_answer_is_sent_at_once_and_completed_when_the_client_has_finished() -> None:
    sent, taken = exchange(413, chunks=10)
    assert [message.get("more_body", False) for message in sent] == [False, True, False]
    assert b"".join(message.get("body", b"") for message in sent) == b"answer"
    assert taken == 10


def test_a_client_that_never_finishes_is_left() -> None:
    sent, taken = exchange(413, chunks=3, linger_s=0.01)
    assert not sent[-1].get("more_body", False)
    assert taken == 3


def test_nobody_lingers_after_success() -> None:
    assert exchange(200, chunks=10)[1] == 0
