"""How many parts a file consists of, counted before pillow reads them.

A few bytes can make a decoder work for long, whatever the picture's size: pillow reads every chunk of a PNG and every
segment of a JPEG in Python, and each scan of a progressive JPEG goes over the whole picture once more. Half an hour
fits in 16 MB, and work in a thread cannot be stopped. What cameras and editors write has a few hundred parts.
"""

import re
import struct

from PIL.JpegImagePlugin import MARKER

from model_store.images.errors import ImageTooLarge

MAX_CHUNKS = 4096
MAX_SEGMENTS = 1024
MAX_SCANS = 100

_SIGNATURE_BYTES = 8
_START_OF_SCAN, _END = 0xDA, 0xD9
# In the header every byte counts, as pillow takes a step for each; within a scan the compressed picture is skipped.
_HEADER_MARKER = re.compile(rb"[^\xff]*\xff+(?P<code>[^\xff])", re.DOTALL)
_SCAN_MARKER = re.compile(rb"\xff+(?P<code>[^\x00\xff\xd0-\xd7])", re.DOTALL)


def check_outline(data: bytes, form: str, where: str) -> None:
    """Refuses a file of more parts than pictures have. What else is wrong with it is for its decoder to find.

    Raises:
        ImageTooLarge: more than `MAX_CHUNKS`, `MAX_SEGMENTS` or `MAX_SCANS`.
    """
    if form == "PNG":
        _check_png(data, where)
    elif form == "JPEG":
        _check_jpeg(data, where)


def _check_png(data: bytes, where: str) -> None:
    position = _SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data) or data[position + 4 : position + 8] == b"IEND":
            return
        (length,) = struct.unpack_from(">I", data, position)
        position += length + 12
    if position < len(data):
        raise ImageTooLarge(f"{where}: expected a PNG of at most {MAX_CHUNKS} chunks, got more")


def _check_jpeg(data: bytes, where: str) -> None:
    position = _check_header(data, where)
    scans = segments = 0
    while (match := _SCAN_MARKER.search(data, position)) and match["code"][0] != _END:
        scans += match["code"][0] == _START_OF_SCAN
        segments += 1
        if scans > MAX_SCANS or segments > MAX_SEGMENTS:
            raise ImageTooLarge(f"{where}: expected a JPEG of at most {MAX_SCANS} scans, got more")
        position = match.end() + _length_at(data, match.end())


def _check_header(data: bytes, where: str) -> int:
    """Goes from marker to marker as pillow does, to the first scan; returns where that is."""
    position, segments, lost = 2, 0, 0
    while (match := _HEADER_MARKER.match(data, position)) and match["code"][0] != _START_OF_SCAN:
        segments += 1
        lost += match.end() - position - 2
        if segments > MAX_SEGMENTS or lost > MAX_SEGMENTS:
            raise ImageTooLarge(
                f"{where}: expected a JPEG of at most {MAX_SEGMENTS} segments before the picture, got more"
            )
        _, _, handler = MARKER.get(0xFF00 | match["code"][0], ("", "", None))
        position = match.end() + (_length_at(data, match.end()) if handler else 0)
    end = match.start("code") - 1 if match else len(data)
    if lost + end - position > MAX_SEGMENTS:
        raise ImageTooLarge(
            f"{where}: expected a JPEG with its picture, got {end - position} bytes that belong to nothing"
        )
    return end


def _length_at(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 2], "big")
