import pytest

from service.errors import Invalid, Malformed, ServiceError, TooLarge
from service.images.multipart import read_multipart

TYPE = "multipart/form-data; boundary=cut"


def part(data: bytes, name: str = "image") -> bytes:
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n\r\n'
    return head.encode() + data + b"\r\n"


def test_the_images_come_in_their_order_and_byte_for_byte() -> None:
    body = part(b"one\r\n--cu") + part(b"") + part(b"\0two") + b"--cut--\r\n"
    assert read_multipart(body, TYPE, max_images=3) == [b"one\r\n--cu", b"", b"\0two"]


@pytest.mark.parametrize(
    ("body", "content_type", "error", "complaint"),
    [
        (part(b"x"), "multipart/form-data", Malformed, "with a boundary, got none"),
        (part(b"x"), TYPE, Malformed, "got a truncated one"),
        (b"hello", TYPE, Malformed, "expected multipart/form-data"),
        (b"--cut--\r\n", TYPE, Invalid, "expected 1 to 2 fields 'image', got none"),
        (part(b"x", "file") + b"--cut--\r\n", TYPE, Invalid, "expected fields 'image' only, got 'file'"),
        (part(b"x") * 3 + b"--cut--\r\n", TYPE, TooLarge, "expected at most 2 images"),
        (part(b"x"), "multipart/form-data; boundary=" + "b" * 300, Malformed, "expected multipart/form-data"),
    ],
)
def test_what_is_no_form_of_images_is_refused(
    body: bytes, content_type: str, error: type[ServiceError], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        read_multipart(body, content_type, max_images=2)
