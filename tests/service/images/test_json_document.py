import pytest

from service.errors import Malformed, TooLarge
from service.images.json_document import MAX_LISTS, MAX_STRINGS, MAX_VALUES, read_json_document


def test_json_is_read() -> None:
    assert read_json_document(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"[" + b"1," * MAX_VALUES + b"1]", "values"),
        (b"[" + b"[]," * MAX_LISTS + b"1]", "lists"),
        (b"{" + b",".join(b'"k%d":1' % index for index in range(MAX_STRINGS + 1)) + b"}", "strings"),
    ],
)
def test_what_would_grow_in_memory_is_refused_unread(body: bytes, what: str) -> None:
    with pytest.raises(TooLarge, match=what):
        read_json_document(body)


@pytest.mark.parametrize("body", [b"[" * 5_000, b'{"a":' * 5_000, b"9" * 5_000, b"[1", b"", b"\xff"])
def test_what_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="JSON"):
        read_json_document(body)
