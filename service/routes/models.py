"""GET /models and /models/{name}."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from service.errors import Invalid, NotFound, StoreDown
from service.models.served_model import ServedModel
from service.problems import describe
from service.routes import runtime_of
from service.routes.queries import NoQuery
from service.runtime import Runtime
from service.schemas import LoadedVersion, ModelDetails, ModelList, ModelSummary

router = APIRouter(tags=["models"])


@router.get("/models", responses=describe(Invalid, StoreDown), summary="Lists the models of the store")
async def list_models(request: Request, _: Annotated[NoQuery, Query()]) -> ModelList:
    """Every model of the store: its versions, its aliases, and what this server has in memory."""
    runtime = runtime_of(request)
    names = await asyncio.to_thread(runtime.store.names)
    summaries = [await asyncio.to_thread(partial(_summary, runtime, name)) for name in names]
    return ModelList(models=summaries)


@router.get("/models/{name}", responses=describe(NotFound, Invalid, StoreDown), summary="Describes a model")
async def get_model(
    request: Request,
    name: Annotated[str, Path(description="The model's name", examples=["mnist"])],
    _: Annotated[NoQuery, Query()],
) -> ModelDetails:
    """A model's versions and aliases, and the particulars of its loaded versions."""
    runtime = runtime_of(request)
    summary = await asyncio.to_thread(partial(_summary, runtime, name))
    details = [_details(model) for model in runtime.catalogue if model.name == name]
    return ModelDetails(**summary.model_dump(), details=details)


def _summary(runtime: Runtime, name: str) -> ModelSummary:
    return ModelSummary(
        name=name,
        versions=runtime.store.versions(name),
        aliases=runtime.store.aliases(name),
        loaded=[model.version for model in runtime.catalogue if model.name == name],
        default=runtime.settings.references[0].name == name,
    )


def _details(model: ServedModel) -> LoadedVersion:
    manifest = model.manifest
    return LoadedVersion(
        version=model.version,
        digest=model.digest,
        classes=list(model.labels),
        input_shape=model.shape,
        default_effort=model.default_effort,
        reject_below=manifest.calibration.reject_below,
        calibration_effort=manifest.calibration.effort,
        certificates=list(model.methods),
        prototypes=None if manifest.prototypes is None else manifest.prototypes.images,
        prototype_reject_below=None if manifest.prototypes is None else manifest.prototypes.calibration.reject_below,
        metrics=manifest.metrics,
        prototype_metrics=None if manifest.prototypes is None else manifest.prototypes.metrics,
        training_data=manifest.training_data,
        training_recipe=manifest.training_recipe,
        evaluations=list(manifest.evaluations),
        device=str(model.classifiers.latent.device),
    )
