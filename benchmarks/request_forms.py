"""The ways to send images that are compared: alone and in batches, as files, as JSON and as binary tensors."""

import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.load import RequestForm
from benchmarks.raw_http import post
from client.bodies import body_of
from client.images import prepare
from model_store.images import encode_png

BATCH = 16

Pictures = NDArray[np.uint8]


def request_forms(
    pictures: Pictures, *, model: str, effort: str, api_key: str | None = None, batch: int = BATCH
) -> list[RequestForm]:
    """Every form, the single PNG first.

    Args:
        pictures: (N, C, H, W), N at least `batch`.
        model: its name, of which the server serves one version.
        effort: of every request.
        api_key: where the server asks for one.
        batch: images in each request of the forms that have several.
    """
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    files, pixels, tensor = (
        partial(_files, model=model, effort=effort, headers=headers),
        partial(_pixels, model=model, effort=effort, headers=headers),
        partial(_tensor, model=model, effort=effort, headers=headers),
    )
    return [
        _form("PNG", files, pictures, 1),
        _form(f"{batch} PNGs in a form", files, pictures, batch),
        _form("JSON pixels", pixels, pictures, 1),
        _form(f"{batch} in JSON pixels", pixels, pictures, batch),
        _form("binary tensor", tensor, pictures, 1),
        _form(f"{batch} in a binary tensor", tensor, pictures, batch),
    ]


def _form(name: str, write: Callable[[Pictures], bytes], pictures: Pictures, batch: int) -> RequestForm:
    firsts = range(0, len(pictures) - batch + 1, batch)
    return RequestForm(name, batch, [write(pictures[first : first + batch]) for first in firsts])


def _files(pictures: Pictures, *, model: str, effort: str, headers: dict[str, str]) -> bytes:
    return _native([encode_png(picture) for picture in pictures], model, effort, headers)


def _pixels(pictures: Pictures, *, model: str, effort: str, headers: dict[str, str]) -> bytes:
    return _native(list(pictures), model, effort, headers)


def _native(images: Sequence[bytes | Pictures], model: str, effort: str, headers: dict[str, str]) -> bytes:
    body = body_of(list(prepare(images)))
    path = f"/classify?model={model}&effort={effort}"
    return post(path, body.content, {"Content-Type": body.content_type, **headers})


def _tensor(pictures: Pictures, *, model: str, effort: str, headers: dict[str, str]) -> bytes:
    """The binary data extension of the Open Inference Protocol; the scores are asked for, as /classify answers them."""
    image = {
        "name": "image",
        "datatype": "UINT8",
        "shape": list(pictures.shape),
        "parameters": {"binary_data_size": pictures.nbytes},
    }
    head = json.dumps(
        {
            "inputs": [image],
            "outputs": [{"name": "prediction"}, {"name": "log_likelihood"}],
            "parameters": {"effort": effort, "binary_data_output": True},
        }
    ).encode()
    framing = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return post(f"/v2/models/{model}/infer", head + pictures.tobytes(), {**framing, **headers})
