"""A request's body: read within a limit, then taken apart by its Content-Type."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from service.errors import Malformed, QueueFull, TooLarge, Unsupported
from service.images.json_body import Pixels, read_json
from service.images.multipart import read_multipart

RAW_TYPES = ("image/png", "image/jpeg", "image/webp")
MEDIA_TYPES = ("multipart/form-data", *RAW_TYPES, "application/json")


@dataclass(frozen=True)
class BodyForm:
    """What a route takes: Content-Types ("" is none), and Content-Encodings besides none."""

    media_types: Sequence[str]
    encodings: Sequence[str] = ()


IMAGES = BodyForm(MEDIA_TYPES)


class BodyBudget:
    """The memory that all bodies together may take while their requests are answered."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """One request's share. The function that it yields sets the share's size, or raises QueueFull."""
        own = 0

        def resize(size: int) -> None:
            nonlocal own
            if self._held - own + size > self._max_bytes:
                raise QueueFull(f"expected at most {self._max_bytes} bytes in all requests, got more", retry_after=1)
            self._held += size - own
            own = size

        try:
            yield resize
        finally:
            self._held -= own


async def read_body(
    request: Request, *, max_bytes: int, resize: Callable[[int], None], form: BodyForm = IMAGES
) -> bytes:
    """All bytes of a request's body as they came, of a form that the route takes.

    The limit is checked before reading where the client declares a length, and while reading in any case.
    `resize` is told how many bytes are held.

    Raises:
        QueueFull: all requests together hold too many bytes.
        Unsupported: another Content-Type or Content-Encoding.
        Malformed: an empty body.
        TooLarge: more than `max_bytes`.
    """
    media_type_of(request.headers.get("content-type", ""), form.media_types)
    encoding = encoding_of(request)
    if encoding is not None and encoding not in form.encodings:
        expected = ", ".join(("none", *form.encodings))
        raise Unsupported(f"Content-Encoding: expected {expected}, got {encoding[:40]!r}")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > max_bytes:
        raise TooLarge(f"body: expected at most {max_bytes} bytes, got {declared}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"body: expected at most {max_bytes} bytes, got more")
        resize(len(body))
    if not body:
        raise Malformed("body: expected an image, got 0 bytes")
    return bytes(body)


def encoding_of(request: Request) -> str | None:
    """How the body is compressed, if it is."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    return None if encoding == "identity" else encoding


def media_type_of(content_type: str, media_types: Sequence[str] = MEDIA_TYPES) -> str:
    """The media type without its parameters; "" where there is none.

    Raises:
        Unsupported: it is none of `media_types`.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in media_types:
        expected = ", ".join(known or "none" for known in media_types)
        raise Unsupported(f"Content-Type: expected one of {expected}, got {media_type[:80] or 'none'}")
    return media_type


def split_body(body: bytes, content_type: str, *, max_images: int) -> list[bytes | Pixels]:
    """The images in a body, not decoded yet: files' bytes, or pixels.

    Raises:
        Malformed, Unsupported, Invalid, TooLarge: as the readers of each form do.
    """
    media_type = media_type_of(content_type)
    if media_type == "application/json":
        return read_json(body, max_images=max_images)
    if media_type == "multipart/form-data":
        return list(read_multipart(body, content_type, max_images=max_images))
    return [body]
