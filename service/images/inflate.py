"""Compressed bodies, unpacked within a limit: a few bytes can stand for gigabytes."""

import zlib

from service.errors import Malformed, TooLarge

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
ENCODINGS = tuple(_WINDOW_BITS)


def inflate(body: bytes, encoding: str, *, max_bytes: int) -> bytes:
    """What a body of the Content-Encoding gzip or deflate (in zlib's format, as RFC 9110 has it) unpacks to.

    Raises:
        Malformed: it is of another format, damaged, or more or less than one complete stream.
        TooLarge: it unpacks to more than `max_bytes`; no more than that is unpacked.
    """
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        unpacked = stream.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Malformed(f"body: expected {encoding}, got {error}") from error
    if len(unpacked) > max_bytes:
        raise TooLarge(f"body: expected at most {max_bytes} bytes unpacked, got more")
    if not stream.eof or stream.unused_data:
        raise Malformed(f"body: expected one complete {encoding} stream, got {'more' if stream.eof else 'less'}")
    return unpacked
