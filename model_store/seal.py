"""JSON files that carry their own checksum, so that a flipped bit anywhere in them is found.

The manifest holds the checksums of all other files of a version; this one is its own. A sealed file is one JSON
object, one field a line. Its last field, `checksum`, is the sha256 of every byte before that field's line.
Nothing but the layout written here is accepted back.
"""

import hashlib
import json
from collections.abc import Mapping

from model_store.errors import CorruptVersion

_FIELD = b'  "checksum": '


def sha256_of(data: bytes) -> str:
    """`sha256:<hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def seal(fields: Mapping[str, object]) -> bytes:
    """The sealed file of these fields.

    Raises:
        ValueError: for a number that JSON cannot hold (NaN, infinity).
    """
    lines = (f"  {json.dumps(name)}: {json.dumps(value, allow_nan=False)},\n" for name, value in fields.items())
    body = ("{\n" + "".join(lines)).encode()
    return body + _closing(body)


def unseal(data: bytes, *, file: str) -> bytes:
    """The JSON object that was sealed, without its checksum; `file` names the bytes in errors.

    Raises:
        CorruptVersion: if the bytes are not exactly what `seal` wrote.
    """
    body, _, tail = data.rpartition(_FIELD)
    if data != body + _closing(body):
        found = tail.decode(errors="replace").strip() if body else "no checksum"
        raise CorruptVersion(file, expected=f"a last line with {sha256_of(body)}", actual=found)
    return body.removesuffix(b",\n") + b"\n}"


def _closing(body: bytes) -> bytes:
    return _FIELD + json.dumps(sha256_of(body)).encode() + b"\n}\n"
