"""The `image` fields of a multipart/form-data body, whose size was limited when it was read."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import Invalid, Malformed, TooLarge

FIELD = "image"


def read_multipart(body: bytes, content_type: str, *, max_images: int) -> list[bytes]:
    """The bytes of every field `image`, in their order.

    Raises:
        Malformed: no boundary, or a body that does not follow it to its end.
        Invalid: a field of another name, or no `image`.
        TooLarge: more than `max_images`.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Malformed("Content-Type: expected multipart/form-data with a boundary, got none")
    form = _Form(max_images)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.begin_part,
                "on_header_field": form.header_name,
                "on_header_value": form.header_value,
                "on_header_end": form.end_header,
                "on_headers_finished": form.end_headers,
                "on_part_data": form.data,
                "on_end": form.end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Malformed(f"body: expected multipart/form-data, got {error}") from error
    if not form.complete:
        raise Malformed("body: expected multipart/form-data up to its closing boundary, got a truncated one")
    if not form.images:
        raise Invalid(f"body: expected 1 to {max_images} fields {FIELD!r}, got none")
    return [bytes(image) for image in form.images]


class _Form:
    """Collects what the parser calls back with."""

    def __init__(self, max_images: int) -> None:
        self.images: list[bytearray] = []
        self.complete = False
        self._max_images = max_images
        self._headers: dict[bytes, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()

    def begin_part(self) -> None:
        self._headers = {}

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def end_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode(errors="replace")
        if name != FIELD:
            raise Invalid(f"body: expected fields {FIELD!r} only, got {name[:40]!r}")
        if len(self.images) == self._max_images:
            raise TooLarge(f"body: expected at most {self._max_images} images, got more")
        self.images.append(bytearray())

    def data(self, data: bytes, start: int, end: int) -> None:
        self.images[-1] += data[start:end]

    def end(self) -> None:
        self.complete = True
