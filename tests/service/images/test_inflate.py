import gzip
import zlib

import pytest

from service.errors import Malformed, TooLarge
from service.images.inflate import inflate

BODY = b"body " * 100
COMPRESSED = {"gzip": gzip.compress(BODY, mtime=0), "deflate": zlib.compress(BODY)}


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_is_unpacked(encoding: str) -> None:
    assert inflate(COMPRESSED[encoding], encoding, max_bytes=len(BODY)) == BODY


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_unpacks_to_too_much_is_refused(encoding: str) -> None:
    with pytest.raises(TooLarge, match="expected at most 499 bytes unpacked"):
        inflate(COMPRESSED[encoding], encoding, max_bytes=len(BODY) - 1)


def test_no_more_than_the_limit_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = []
    decompressobj = zlib.decompressobj

    class Watched:
        def __init__(self, bits: int) -> None:
            self._stream = decompressobj(bits)

        def decompress(self, data: bytes, limit: int) -> bytes:
            unpacked.append(self._stream.decompress(data, limit))
            return unpacked[-1]

    monkeypatch.setattr("zlib.decompressobj", Watched)
    with pytest.raises(TooLarge):
        inflate(gzip.compress(bytes(10**7), mtime=0), "gzip", max_bytes=1000)
    assert [len(part) for part in unpacked] == [1001]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no stream", "expected gzip, got"),
        (COMPRESSED["gzip"][:-9], "one complete gzip stream, got less"),
        (COMPRESSED["gzip"] * 2, "one complete gzip stream, got more"),
        (COMPRESSED["deflate"], "expected gzip, got"),
        (b"", "got less"),
    ],
)
def test_what_is_not_one_complete_stream_is_malformed(body: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        inflate(body, "gzip", max_bytes=10_000)
