"""A JSON body, whose size in memory and time to read are limited before it is read.

Three bytes can become an object of fifty, and nobody else gets the interpreter while a document is read. So its marks
are counted first: images of numbers have many values but few lists, and encoded ones a few long strings.
"""

from pydantic_core import from_json

from service.errors import Malformed, TooLarge

MAX_VALUES = 1_000_000
MAX_LISTS = 100_000
MAX_STRINGS = 50_000


def read_json_document(body: bytes) -> object:
    """What a JSON body says.

    Raises:
        TooLarge: more than `MAX_VALUES`, `MAX_LISTS` (or objects), or `MAX_STRINGS`.
        Malformed: no JSON, a number of thousands of digits, or nested hundreds deep.
    """
    for what, limit, count in (
        ("values", MAX_VALUES, body.count(b",") + 1),
        ("lists and objects", MAX_LISTS, body.count(b"[") + body.count(b"{")),
        ("strings", MAX_STRINGS, body.count(b'"') // 2),
    ):
        if count > limit:
            raise TooLarge(f"body: expected JSON of at most {limit} {what}, got more; images can be sent as files")
    try:
        return from_json(body)
    except ValueError as error:
        raise Malformed(f"body: expected JSON, got {error}") from error
