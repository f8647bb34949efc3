import struct
from typing import Any

import numpy as np
import pytest

from service.errors import Invalid, Malformed
from service.open_inference.tensors import Tensor, flatten, read_numbers, read_strings


def packed(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


@pytest.mark.parametrize(("datatype", "dtype"), [("FP32", "<f4"), ("UINT8", "u1")])
def test_binary_json_flat_and_json_nested_are_the_same_tensor(datatype: str, dtype: str) -> None:
    values = np.arange(12, dtype=dtype).reshape(2, 2, 3)
    for source in (values.tobytes(), values.ravel().tolist(), values.tolist()):
        read = read_numbers(source, datatype=datatype, shape=(2, 2, 3), where="x")
        np.testing.assert_array_equal(read, values)
        assert read.dtype == np.dtype(dtype).newbyteorder("=")


def test_a_float32_survives_json_bit_for_bit() -> None:
    values = np.random.default_rng(0).random(1000, np.float32)
    sent = Tensor("x", "FP32", values).as_json()
    np.testing.assert_array_equal(read_numbers(sent, datatype="FP32", shape=(1000,), where="x"), values)


def test_what_is_read_can_be_written_to_and_lies_where_arrays_lie() -> None:
    body = b"odd" + np.ones(4, "<f4").tobytes()
    read = read_numbers(body[3:], datatype="FP32", shape=(4,), where="x")
    assert read.flags.writeable
    assert read.flags.aligned


@pytest.mark.parametrize(
    ("source", "datatype", "words"),
    [
        (bytes(15), "FP32", r"x: expected 16 bytes for FP32 of shape \[2, 2\], got 15"),
        (bytes(5), "UINT8", "expected 4 bytes for UINT8"),
        ([1, 2, 3], "FP32", r"expected 4 elements for shape \[2, 2\], got 3"),
        ([], "FP32", "expected 4 elements"),
        ([[1, 2], [3]], "FP32", r"expected lists of shape \[2, 2\], got a list of 1 for 2 elements"),
        ([[1, 2], 3], "FP32", "got 3 for 2 elements"),
        ([[1, 2]], "FP32", "got a list of 1 for 2 elements"),
        ([[[1], [2]], [[3], [4]]], "FP32", "expected numbers, got a list at position 0"),
        ([1, 2, "3", 4], "FP32", "expected numbers, got '3' at position 2"),
        ([1, 2, None, 4], "FP32", "got None at position 2"),
        ([True, 2, 3, 4], "FP32", "got True at position 0"),
        ([1.0, 2, 3, 4], "UINT8", r"expected integers in 0..255, got 1.0 at position 0"),
        ([1, 256, 3, 4], "UINT8", "got 256 at position 1"),
        ([1, -1, 3, 4], "UINT8", "got -1 at position 1"),
        ([1, 10**5000, 3, 4], "UINT8", "got a huge integer at position 1"),
        ([1, 10**5000, 3, 4], "FP32", "got a huge integer"),
    ],
)
def test_what_does_not_fit_its_shape_or_datatype_is_refused(source: Any, datatype: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read_numbers(source, datatype=datatype, shape=(2, 2), where="x")


def test_strings_come_after_their_lengths_or_as_base64() -> None:
    assert read_strings(packed(b"\xff\x00", b"", b"abc"), shape=(3,), where="x") == [b"\xff\x00", b"", b"abc"]
    assert read_strings(["/wA=", "", "YWJj"], shape=(3,), where="x") == [b"\xff\x00", b"", b"abc"]


@pytest.mark.parametrize(
    ("source", "refusal", "words"),
    [
        (packed(b"a", b"b", b"c"), Invalid, "expected 2 elements, got 5 bytes more"),
        (packed(b"a"), Invalid, "expected 2 elements, got 1"),
        (b"", Invalid, "expected 2 elements, got 0"),
        (packed(b"a") + b"\x01\x00", Malformed, "expected the 4 bytes of an element's length, got 2"),
        (packed(b"a") + b"\xff\xff\xff\xff", Malformed, r"x\[1\]: expected 4294967295 bytes, got 0"),
        (["YQ=="], Invalid, "expected 2 elements"),
        (["YQ==", 7], Invalid, r"x\[1\]: expected base64, got 7"),
        (["YQ==", "?"], Malformed, r"x\[1\]: expected base64"),
    ],
)
def test_strings_that_are_not_what_they_declare_are_refused(source: Any, refusal: type[Exception], words: str) -> None:
    with pytest.raises(refusal, match=words):
        read_strings(source, shape=(2,), where="x")


def test_strings_are_written_as_their_length_and_utf8() -> None:
    tensor = Tensor("x", "BYTES", np.array(["é", "ab"]))
    assert tensor.as_bytes() == packed("é".encode(), b"ab")
    assert tensor.as_json() == ["é", "ab"]


def test_an_element_of_a_flat_list_may_be_anything_but_one_of_a_nested_list_is_where_the_shape_has_it() -> None:
    assert flatten(["a", 1, None], (3,), where="x") == ["a", 1, None]
    assert flatten([[["a"], ["b"]]], (1, 2, 1), where="x") == ["a", "b"]
