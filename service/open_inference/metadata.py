"""What the server and its models say about themselves."""

from collections.abc import Sequence
from importlib.metadata import version

from service.models.served_model import ServedModel
from service.open_inference.images import INPUT
from service.open_inference.outputs import OUTPUTS
from service.open_inference.schemas import ModelMetadata, ServerMetadata, TensorMetadata

_PLATFORM = "eabs_pytorch"
_EXTENSIONS = ["binary_tensor_data", "classification", "model_repository"]


def server_metadata() -> ServerMetadata:
    """The server's name, version and extensions of the protocol."""
    return ServerMetadata(name="eabs-server", version=version("eabs-server"), extensions=_EXTENSIONS)


def model_metadata(model: ServedModel, versions: Sequence[str]) -> ModelMetadata:
    """A model's inputs and outputs; `versions` are those that a request may name."""
    K = len(model.labels)
    return ModelMetadata(
        name=model.name,
        versions=list(versions),
        platform=_PLATFORM,
        inputs=[TensorMetadata(name=INPUT, datatype="FP32", shape=[-1, *model.shape])],
        outputs=[
            TensorMetadata(name=name, datatype=output.datatype, shape=[-1, *output.shape(K)])
            for name, output in OUTPUTS.items()
        ],
    )
