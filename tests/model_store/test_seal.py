import hashlib
import json

import pytest

from model_store.errors import CorruptVersion
from model_store.seal import seal, sha256_of, unseal

SEALED = seal({"name": "shapes", "scores": [1.5, 2.0], "checksum_of": 'a "checksum": in a string'})


def test_a_digest_names_its_algorithm() -> None:
    assert sha256_of(b"abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()


def test_a_sealed_file_is_json() -> None:
    assert json.loads(SEALED)["scores"] == [1.5, 2.0]


@pytest.mark.parametrize("fields", [{"a": 1}, {"checksum": "mine"}, {"a": {"checksum": "sha256:" + "0" * 64}}])
def test_what_was_sealed_comes_back(fields: dict[str, object]) -> None:
    assert json.loads(unseal(seal(fields), file="m")) == fields


def test_every_flipped_bit_is_found() -> None:
    for position in range(len(SEALED)):
        for bit in range(8):
            damaged = bytearray(SEALED)
            damaged[position] ^= 1 << bit
            with pytest.raises(CorruptVersion):
                unseal(bytes(damaged), file="m")


def test_every_truncation_is_found() -> None:
    for length in range(len(SEALED)):
        with pytest.raises(CorruptVersion):
            unseal(SEALED[:length], file="m")


@pytest.mark.parametrize("damaged", [SEALED + b"\n", b" " + SEALED, SEALED + SEALED, b"{}", b"", b"\xff\xfe"])
def test_nothing_but_the_sealed_layout_is_accepted(damaged: bytes) -> None:
    with pytest.raises(CorruptVersion):
        unseal(damaged, file="m")


def test_damage_is_reported_with_the_file_and_both_checksums() -> None:
    damaged = SEALED.replace(b"shapes", b"shaper")

    with pytest.raises(CorruptVersion) as caught:
        unseal(damaged, file="shapes/1/manifest.json")

    assert caught.value.file == "shapes/1/manifest.json"
    body = damaged[: damaged.rindex(b'  "checksum": ')]
    assert sha256_of(body) in caught.value.expected
    assert json.loads(SEALED)["checksum"] in caught.value.actual


def test_a_number_that_json_cannot_hold_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        seal({"beta": float("nan")})
