"""The protocol's JSON objects, in its words; https://github.com/kserve/open-inference-protocol, inference_rest.md."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Datatype = Annotated[str, Field(description="In the protocol's words", examples=["FP32"])]
Parameter = bool | int | float | str


class _Request(BaseModel):
    # A field that nobody knows is a typo, or an extension that this server has not.
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class _Answer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class ServerMetadata(_Answer):
    """What the server is."""

    name: str = Field(examples=["eabs-server"])
    version: str = Field(examples=["0.1.0"])
    extensions: list[str] = Field(examples=[["binary_tensor_data", "classification", "model_repository"]])


class ServerLive(_Answer):
    """The process lives."""

    live: bool = True


class ServerReady(_Answer):
    """The server takes work; the protocol's text calls this `live`, too, and its clients read `ready`."""

    live: bool = True
    ready: bool = True


class ModelReady(_Answer):
    """The model takes work."""

    name: str = Field(examples=["mnist"])
    ready: bool = True


class TensorMetadata(_Answer):
    """One input or output."""

    name: str = Field(examples=["image"])
    datatype: Datatype
    shape: list[int] = Field(description="-1 is the number of images", examples=[[-1, 1, 28, 28]])


class ModelMetadata(_Answer):
    """What a model takes and gives."""

    name: str = Field(examples=["mnist"])
    versions: list[str] = Field(description="Those that may be named", examples=[["1"]])
    platform: str = Field(examples=["eabs_pytorch"])
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata] = Field(examples=[[{"name": "prediction", "datatype": "INT64", "shape": [-1]}]])


class InputParameters(_Request):
    """The parameters of an input."""

    binary_data_size: Annotated[int, Field(ge=0, description="Bytes of the tensor behind the JSON")] | None = None


class RequestInput(_Request):
    """A tensor that is sent."""

    name: str = Field(examples=["image"])
    shape: list[Annotated[int, Field(ge=0)]] = Field(examples=[[1]])
    datatype: Datatype
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(
        None,
        description="The elements in row-major order, nested as the shape says or flat; BYTES are base64. Absent where "
        "the tensor comes as binary data",
    )


class OutputParameters(_Request):
    """The parameters of an output."""

    binary_data: bool | None = Field(None, description="Whether it comes as binary data")
    classification: Annotated[int, Field(ge=1, description="Names the best so many classes instead")] | None = None


class RequestOutput(_Request):
    """A tensor that is asked for."""

    name: str = Field(examples=["prediction"])
    parameters: OutputParameters | None = None


class InferRequest(_Request):
    """An inference request, or the part of it before the binary data."""

    id: str | None = Field(None, description="Is echoed", examples=["42"])
    model_name: str | None = Field(None, description="The model's, if it is there at all", examples=["mnist"])
    parameters: dict[str, Parameter] | None = Field(
        None, description="What to ask, as of /classify", examples=[{"effort": "fast"}]
    )
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = Field(None, description="All outputs, if absent or empty")


class ResponseOutputParameters(_Answer):
    """The parameters of a tensor that is answered with."""

    binary_data_size: int = Field(description="Bytes of the tensor behind the JSON")


class ResponseOutput(_Answer):
    """A tensor that is answered with."""

    name: str = Field(examples=["prediction"])
    datatype: Datatype
    shape: list[int] = Field(examples=[[1]])
    parameters: ResponseOutputParameters | None = None
    data: list[int | float | str] | None = Field(None, description="The elements in row-major order", examples=[[7]])


class InferResponse(_Answer):
    """The answer to an inference request, or the part of it before the binary data."""

    model_name: str = Field(examples=["mnist"])
    model_version: str = Field(examples=["1"])
    id: str | None = Field(None, description="The request's, if it had one", examples=["42"])
    parameters: dict[str, Parameter] = Field(
        description="What decided, and what the radius rests on", examples=[{"classifier": "latent"}]
    )
    outputs: list[ResponseOutput]
