"""What middleware adds to the headers of an answer, whoever gives it."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send


def editing_headers(send: Send, edit: Callable[[MutableHeaders], None]) -> Send:
    """`send`, but that `edit` may change the answer's headers before they go out."""

    async def edited_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            edit(MutableHeaders(scope=message))
        await send(message)

    return edited_send
