import io
import zlib

import pytest
from PIL import Image

from model_store.images.decoding import decode_image
from model_store.images.errors import DamagedImage, ImageTooLarge
from model_store.images.outline import MAX_CHUNKS, MAX_SCANS, MAX_SEGMENTS
from tests.service.pictures import encode, random_png

MANY = 200_000
PHOTO = Image.effect_noise((64, 48), 80).convert("RGB")
COMMENT = b"\xff\xfe\x00\x02"


def decode(data: bytes) -> None:
    decode_image(data, shape=(1, 28, 28), max_pixels=4_000_000)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png_with(chunks: bytes, *, before: bytes = b"IDAT") -> bytes:
    plain = random_png(1)
    position = plain.index(before) - 4
    return plain[:position] + chunks + plain[position:]


def jpeg_with(segments: bytes) -> bytes:
    plain = encode(PHOTO, "JPEG")
    return plain[:2] + segments + plain[2:]


def progressive(scans: int, *, hidden: bytes = b"") -> bytes:
    """A progressive JPEG that repeats its last scan until it has so many."""
    file = io.BytesIO()
    PHOTO.save(file, "JPEG", progressive=True)
    data = file.getvalue()
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + hidden + data[start:end] * (scans - data.count(b"\xff\xda")) + data[end:]


@pytest.mark.parametrize("kind", [b"tEXt", b"tIME", b"prVt", b"IDAT"])
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_a_png_of_countless_chunks_is_refused(kind: bytes, before: bytes) -> None:
    with pytest.raises(ImageTooLarge, match=f"{MAX_CHUNKS} chunks"):
        decode(png_with(chunk(kind) * MANY, before=before))


def test_a_png_of_many_chunks_is_read() -> None:
    decode(png_with(chunk(b"prVt") * (MAX_CHUNKS - 10)))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_a_chunk_is_not_unpacked(kind: bytes) -> None:
    start = b"k\0\1\0\0\0" if kind == b"iTXt" else b"k\0\0"
    with pytest.raises(DamagedImage, match="too large"):
        decode(png_with(chunk(kind, start + zlib.compress(bytes(50_000_000)))))


@pytest.mark.parametrize(
    "segments",
    [COMMENT * MANY, b"\xff\xed\x00\x02" * MANY, b"\xff" * MANY, b"\xff\xd8" * MANY, b"\xff\xf0\x00\x10" + b"a" * MANY],
    ids=["comments", "application data", "fill bytes", "markers alone", "bytes of no segment"],
)
def test_a_jpeg_of_countless_segments_is_refused(segments: bytes) -> None:
    with pytest.raises(ImageTooLarge, match="expected a JPEG"):
        decode(jpeg_with(segments))


def test_bytes_without_end_where_a_picture_should_be_are_refused() -> None:
    with pytest.raises(ImageTooLarge, match="belong to nothing"):
        decode(encode(PHOTO, "JPEG")[:20] + b"a" * MANY)


def test_a_jpeg_of_many_segments_is_read() -> None:
    decode(jpeg_with(COMMENT * (MAX_SEGMENTS - 20)))


@pytest.mark.parametrize("hidden", [b"", b"\xff\xfe\x00\x06\xff\xd9\xff\xd9"], ids=["", "behind a false end"])
def test_a_jpeg_of_countless_scans_is_refused(hidden: bytes) -> None:
    with pytest.raises(ImageTooLarge, match=f"{MAX_SCANS} scans"):
        decode(progressive(MAX_SCANS + 1, hidden=hidden))


def test_a_progressive_jpeg_is_read() -> None:
    decode(progressive(MAX_SCANS - 1))


def test_what_looks_like_scans_but_is_none_is_not_counted() -> None:
    decode(jpeg_with(b"\xff\xe2\xff\xfe" + b"\xff\xda" * 32766))
    decode(encode(PHOTO, "JPEG") + b"\xff\xda" * MANY)
