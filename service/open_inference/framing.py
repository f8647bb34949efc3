"""A message's body: JSON, and behind it the tensors that come as binary data.

https://github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from service.errors import Invalid, Malformed
from service.images.json_document import read_json_document
from service.open_inference.images import INPUT
from service.open_inference.schemas import (
    InferRequest,
    InferResponse,
    RequestInput,
    ResponseOutput,
    ResponseOutputParameters,
)
from service.open_inference.tensors import Tensor
from service.problems import describe_validation

HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Message:
    """An inference request whose only input is `image`; `source` is the input's binary data or its JSON list."""

    request: InferRequest
    image: RequestInput
    source: bytes | Sequence[object]


def read_message(body: bytes, *, json_length: int | None) -> Message:
    """Takes a request's body apart.

    Args:
        body: all of it.
        json_length: how much of it is JSON, as the header `HEADER` says; None is all.

    Raises:
        Malformed: no JSON; binary data of another length than the request says.
        Invalid: JSON of another form; other inputs; an input with two sources or none.
    """
    if json_length is not None and json_length > len(body):
        raise Malformed(f"{HEADER}: expected at most the body's {len(body)} bytes, got {json_length}")
    request = _read_json(body[:json_length])
    names = [tensor.name for tensor in request.inputs]
    if names != [INPUT]:
        shown = ", ".join(repr(name[:40]) for name in names[:5]) or "none"
        raise Invalid(f"inputs: expected one, {INPUT!r}, got {shown}")
    (image,) = request.inputs
    size = None if image.parameters is None else image.parameters.binary_data_size
    rest = b"" if json_length is None else body[json_length:]
    if len(rest) != (size or 0):
        hint = f"; the header {HEADER} says where it begins" if json_length is None else ""
        raise Malformed(f"{INPUT}: expected {size or 0} bytes of binary data behind the JSON, got {len(rest)}{hint}")
    if (size is None) == (image.data is None):
        raise Invalid(f"{INPUT}: expected one of data and binary_data_size, got {'none' if size is None else 'both'}")
    return Message(request, image, rest if image.data is None else image.data)


def write_message(head: InferResponse, tensors: Sequence[tuple[Tensor, bool]]) -> tuple[bytes, int | None]:
    """Puts an answer's body together.

    Args:
        head: the answer without its outputs.
        tensors: the outputs, and whether each comes as binary data.

    Returns:
        The body, and how much of it is JSON; None where all of it is.
    """
    outputs, chunks = [], []
    for tensor, binary in tensors:
        output = ResponseOutput(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.values.shape))
        if binary:
            chunks.append(tensor.as_bytes())
            output.parameters = ResponseOutputParameters(binary_data_size=len(chunks[-1]))
        else:
            output.data = tensor.as_json()
        outputs.append(output)
    json = head.model_copy(update={"outputs": outputs}).model_dump_json(exclude_none=True).encode()
    return b"".join([json, *chunks]), len(json) if chunks else None


def _read_json(text: bytes) -> InferRequest:
    document = read_json_document(text)
    try:
        return InferRequest.model_validate(document)
    except ValidationError as error:
        raise Invalid(f"body: expected an inference request, got {_found(error)}") from error


def _found(error: ValidationError) -> str:
    return describe_validation(error.errors(include_url=False))
