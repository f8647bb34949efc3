"""The server as a deployment of Ray Serve: the same application in every replica, behind Ray's own proxies.

    serve run service.ray_app:build min_replicas=2 max_replicas=8 cpus=4
    serve run service.ray_app:build min_replicas=2 max_replicas=8 cpus=2 gpus=0.5

Ray listens, balances and ends replicas, so the settings about that have no effect: EABS_HOST, EABS_PORT, EABS_WORKERS,
EABS_HEADER_TIMEOUT_S, EABS_DRAIN_DELAY_S. Options say the device and, on CPUs, the threads. All others are those of
whoever deploys.
"""

import asyncio
import os
from typing import Any

# Ray reports its use to its makers unless told otherwise.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, model_validator
from ray import serve  # type: ignore[import-not-found]

from service.app import create_app
from service.process.refusal import check_variables
from service.runtime import Runtime
from service.security.exposure import load_keys
from service.server import CLOSING_S
from service.settings import Settings
from service.telemetry.logs import configure_logging

_POLL_S = 0.1


class RayOptions(BaseModel):
    """What `serve run service.ray_app:build NAME=VALUE...` can say."""

    model_config = ConfigDict(extra="forbid")

    min_replicas: int = Field(1, ge=1, description="Replicas that always run")
    max_replicas: int = Field(1, ge=1, description="Replicas at most")
    target_requests: float = Field(32, gt=0, description="Requests under way in each replica that Ray scales towards")
    cpus: float = Field(1, gt=0, description="CPUs of a replica, which infers on as many threads where it has no GPU")
    gpus: float = Field(0, ge=0, description="GPUs of a replica; below 1, replicas share one")

    @model_validator(mode="after")
    def _replicas_are_a_range(self) -> "RayOptions":
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas: expected at most max_replicas ({self.max_replicas}), got {self.min_replicas}"
            )
        if self.gpus > 1:
            raise ValueError(f"gpus: expected at most 1, for a replica of its own on each, got {self.gpus:g}")
        return self


class Replica:
    """Tells Ray of a replica's health. `serve.ingress` makes the rest of it."""

    app: FastAPI

    async def check_health(self) -> None:
        """Returns once the models are loaded; Ray sends nothing before, and asks again every 10 s.

        Raises:
            RuntimeError: no work should be sent here; Ray puts another replica in its place.
        """
        runtime: Runtime = self.app.state.runtime
        while runtime.state == "starting":
            await asyncio.sleep(_POLL_S)
        if reason := runtime.unready_because():
            raise RuntimeError(reason)


def build(options: RayOptions) -> Any:
    """The application for `serve run`, or `serve.run` of Ray's Python interface.

    Raises:
        Exposed, InvalidKeys: as `load_keys` does.
        ValueError: the environment holds what is no setting.
    """
    check_variables(os.environ)
    device = {"device": "cuda"} if options.gpus else {"device": "cpu", "threads": max(1, int(options.cpus))}
    # Where Ray's proxies listen is not known here. So keys are asked for, as where everybody can come.
    settings = Settings().model_copy(update={**device, "host": "0.0.0.0"})  # noqa: S104
    load_keys(settings)

    def make_app() -> FastAPI:
        configure_logging(settings.log_level, settings.log_format)
        return create_app(settings)

    deployment = serve.deployment(
        serve.ingress(make_app)(Replica),
        name="eabs",
        # The server's own limits refuse with 429 and a Retry-After; Ray's would let requests wait without one.
        max_ongoing_requests=settings.max_connections,
        autoscaling_config={
            "min_replicas": options.min_replicas,
            "max_replicas": options.max_replicas,
            "target_ongoing_requests": options.target_requests,
        },
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        graceful_shutdown_timeout_s=settings.drain_timeout_s + CLOSING_S,
        # Preparing a model for the first time may take as long.
        health_check_timeout_s=settings.stall_s,
    )
    return deployment.bind()
