"""What an operator can set, by `EABS_*` environment variables or arguments."""

from pathlib import Path
from typing import Annotated, Literal

from limits import parse as parse_rate
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_store import BUNDLED, StoreRoot, default_cache
from service.cache.redis_url import parse_redis_url
from service.models.reference import ModelReference

_DEVICE = r"auto|cpu|cuda(:\d+)?"

MiB = 1024 * 1024


class Settings(BaseSettings):
    """Everything that is configurable about one server process."""

    # An error that showed its input would show secrets beside it.
    model_config = SettingsConfigDict(env_prefix="EABS_", frozen=True, extra="forbid", hide_input_in_errors=True)

    models: str = Field(
        "mnist", description="Models to serve, `name` or `name@version`, comma-separated; the first is the default"
    )
    store: StoreRoot = Field(
        BUNDLED,
        description="The model store: a folder, or a URL such as `s3://bucket/prefix`",
        json_schema_extra={"default_in_words": "the bundled models"},
    )
    cache_dir: Path | None = Field(
        default_factory=default_cache,
        description="Where what is prepared of each model is kept between starts, and versions of remote stores",
        json_schema_extra={"default_in_words": "`~/.cache/eabs`"},
    )
    poll_s: float = Field(
        10.0, ge=0, description="How often the store is asked whether an alias has moved, in s; 0 is never"
    )
    device: Annotated[str, Field(pattern=f"^({_DEVICE})$")] = Field(
        "auto", description="cpu, cuda:N, cuda for every GPU, or auto: every GPU, or the CPU where there is none"
    )
    threads: int = Field(
        0, ge=0, description="CPU threads, each of which infers a batch by itself; 0 is one a physical core"
    )
    host: str = Field("127.0.0.1", description="The address to listen on")
    workers: int = Field(
        1,
        ge=1,
        description="Processes that share the port, each with a GPU of its own, or a share of the CPU's cores",
    )
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one")

    api_keys_file: Path | None = Field(
        None, description="A file of API keys, one `NAME SCOPES sha256:HEX` a line; read again when it changes"
    )
    api_keys: SecretStr | None = Field(None, description="The same entries, separated by `;`, instead of a file")
    allow_anonymous: bool = Field(
        False, description="Serve without API keys on an address that other machines may reach"
    )
    rate_limit: str | None = Field(
        None,
        description="Requests of each API key, or address where there are none, such as `100/second`; off if unset",
    )
    max_connections: int = Field(900, ge=1, description="Connections open at a time; more are closed at once")
    header_timeout_s: float = Field(10.0, gt=0, description="Time for a request's line and headers to arrive, in s")

    max_queue: int = Field(512, ge=1, description="Images that may wait for inference before a request is refused")
    max_batch_size: int = Field(
        0,
        ge=0,
        description="Images, times the starts of each, that are inferred together at most; 0 is 4 on a CPU "
        "thread and 1024 on a GPU",
    )
    decode_threads: int = Field(2, ge=1, description="Images that are decoded at the same time")

    max_images: int = Field(64, ge=1, description="Images in one request; at most `EABS_MAX_QUEUE`")
    max_body_bytes: int = Field(16 * MiB, ge=1, description="Bytes of one request's body")
    max_buffered_bytes: int = Field(512 * MiB, ge=1, description="Bytes of all requests' bodies together")
    max_pixels: int = Field(4_000_000, ge=1, description="Pixels of one encoded image, before it is resized")
    request_timeout_s: float = Field(30.0, gt=0, description="Time for one request, its body included, in s")

    cache_bytes: int = Field(64 * MiB, ge=0, description="Memory for answers and images already seen; 0 holds none")
    cache_ttl_s: float = Field(3600.0, gt=0, description="How long an answer or image is kept, in s")
    redis_url: SecretStr | None = Field(
        None, description="A Redis through which servers share answers and images, `redis://` or `rediss://`"
    )
    redis_timeout_ms: float = Field(50.0, gt=0, description="How long one look into Redis may take, in ms")

    drain_delay_s: float = Field(
        1.0, ge=0, description="After SIGTERM: how long new connections are still taken while /readyz says no, in s"
    )
    drain_timeout_s: float = Field(60.0, gt=0, description="After SIGTERM: how long accepted requests may take, in s")
    stall_s: float = Field(120.0, gt=0, description="A batch that runs longer than this makes /readyz say no, in s")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level logged")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or plain text")
    tracing: bool = Field(False, description="Whether to send OpenTelemetry traces; OTEL_* variables say where to")

    @field_validator("models")
    @classmethod
    def _references_are_readable(cls, models: str) -> str:
        references = [ModelReference.parse(part.strip()) for part in models.split(",")]
        if len(set(references)) != len(references):
            raise ValueError(f"expected each model once, got {models!r}")
        return models

    @field_validator("redis_url")
    @classmethod
    def _redis_can_be_found(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parse_redis_url(url.get_secret_value())
        return url

    @field_validator("rate_limit")
    @classmethod
    def _rate_is_readable(cls, rate: str | None) -> str | None:
        if rate is not None:
            parse_rate(rate)
        return rate

    @model_validator(mode="after")
    def _a_full_request_fits_the_queue(self) -> "Settings":
        if self.max_images > self.max_queue:
            raise ValueError(f"max_images: expected at most max_queue ({self.max_queue}), got {self.max_images}")
        return self

    @property
    def references(self) -> tuple[ModelReference, ...]:
        """The models to serve; the first is the default."""
        return tuple(ModelReference.parse(part.strip()) for part in self.models.split(","))
