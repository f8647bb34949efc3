import base64
import json

import pytest

from service.errors import Invalid, Malformed, ServiceError, TooLarge
from service.images.json_body import Pixels, read_base64, read_json


def read(document: object) -> list[bytes | Pixels]:
    return read_json(json.dumps(document).encode(), max_images=3)


def test_files_and_pixels_may_come_together() -> None:
    data = base64.b64encode(b"file").decode()
    images = read({"images": [{"data": data}, {"pixels": [[1]]}, {"pixels": [[9]], "scale": 255}]})
    assert images == [b"file", Pixels([[1]], 1), Pixels([[9]], 255)]


@pytest.mark.parametrize(
    ("body", "error", "complaint"),
    [
        (b"{", Malformed, "expected JSON"),
        (b"\xff\xfe", Malformed, "expected JSON"),
        (b"[" * 100_000, Malformed, "expected JSON"),
        (b"[]", Invalid, "expected {"),
        (b'{"images": {}}', Invalid, "expected {"),
        (b'{"images": []}', Invalid, "expected 1 to 3 'images'"),
        (b'{"images": [{"pixels": [[1]]}], "model": "x"}', Invalid, "no other field, got 1 and 'model'"),
        (b'{"images": [1, 2, 3, 4]}', TooLarge, "expected at most 3, got 4"),
        (b'{"images": [1]}', Invalid, r"images\[0\]: expected"),
        (b'{"images": [{}]}', Invalid, r"images\[0\]: expected"),
        (b'{"images": [{"pixels": 5}]}', Invalid, r"images\[0\]: .*pixels"),
        (b'{"images": [{"pixels": [], "scale": 2}]}', Invalid, r"images\[0\]: .*scale"),
        (b'{"images": [{"data": 5}]}', Invalid, r"images\[0\]: .*data"),
        (b'{"images": [{"data": "", "more": 1}]}', Invalid, r"images\[0\]: .*more"),
        (b'{"images": [{"data": "*"}]}', Malformed, r"images\[0\].data: expected base64"),
    ],
)
def test_what_has_another_form_is_refused(body: bytes, error: type[ServiceError], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        read_json(body, max_images=3)


def test_not_a_number_is_read_so_that_its_place_can_be_named() -> None:
    (image,) = read_json(b'{"images": [{"pixels": [[NaN]]}]}', max_images=1)
    assert isinstance(image, Pixels)


@pytest.mark.parametrize("text", ["Zm9v", "Zm8=", "Zm8", "_-A", "_-A="])
def test_padding_of_base64_may_be_missing(text: str) -> None:
    assert read_base64(text, where="image", altchars=b"-_")
