"""Answers requests on `control.models`: those about the registry, and those about embedders."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import assert_never

from pydantic import BaseModel

from sightwire.bundles import BundleError
from sightwire.bus.connection import Bus
from sightwire.bus.responding import Responder
from sightwire.contracts import subjects
from sightwire.contracts.model_control import (
    MODELS_REQUESTS,
    AliasMoves,
    AnnotateModel,
    BundleFolder,
    CompareModels,
    DeprecateModel,
    ListAliases,
    ListModels,
    ListServedModels,
    LoadModel,
    ModelList,
    ModelRegistration,
    ModelsRequest,
    ReadAliasHistory,
    ReadLineage,
    ReadModel,
    RegisteredModel,
    RegisterModel,
    RegistryRequest,
    RemoveAlias,
    RollBackAlias,
    ServingRequest,
    SetAlias,
    SwitchModel,
    UnloadModel,
)
from sightwire.contracts.models import AliasMove, ModelId, ModelVersion
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError
from sightwire_orchestrator.registry.references import parse_reference
from sightwire_orchestrator.registry.service import ModelRegistry, Registration
from sightwire_orchestrator.registry.serving import ModelServing


class RegistryDesk:
    """The registry, for those who ask over the bus, or in a process of their own where no orchestrator runs."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    async def answer(self, request: RegistryRequest) -> BaseModel:
        """What is asked for; see `sightwire.contracts.model_control`."""
        match request:
            case ListModels():
                return await self._list(request)
            case ReadModel():
                return await self._with_aliases(await self._registry.get(request.model))
            case ReadLineage():
                line = [await self._with_aliases(model) for model in await self._registry.lineage(request.model)]
                return ModelList(models=tuple(line))
            case RegisterModel():
                return await self._register(request)
            case AnnotateModel():
                return await self._annotate(request)
            case DeprecateModel():
                return await self._with_aliases(
                    await self._registry.deprecate(
                        request.model, request.reason, replacement=request.replacement, by=request.by
                    )
                )
            case CompareModels():
                return await self._registry.compare(request.before, request.after)
            case ListAliases():
                return await self._aliases(request.name)
            case ReadAliasHistory():
                moves = await self._registry.aliases.history(request.name, request.alias)
                return AliasMoves(moves=tuple(moves))
            case SetAlias():
                return await self._move(request, request.version)
            case RemoveAlias():
                return await self._move(request, None)
            case RollBackAlias():
                return await self._registry.aliases.roll_back(
                    request.name, request.alias, by=request.by, reason=request.reason
                )
            case _:
                assert_never(request)

    async def _list(self, request: ListModels) -> ModelList:
        found = await self._registry.versions(
            name=request.name,
            space=request.space,
            tag=request.tag,
            with_deprecated=request.with_deprecated,
            after=None if request.cursor is None else _read_cursor(request.cursor),
        )
        aliases = await self._registry.aliases.all()
        models = [_registered(model, aliases.get(model.id.name, {})) for model in found]
        if request.alias is not None:
            models = [model for model in models if request.alias in model.aliases]
        page = models[: request.limit]
        has_more = len(models) > len(page)
        return ModelList(models=tuple(page), next_cursor=str(page[-1].model.id) if has_more else None)

    async def _with_aliases(self, model: ModelVersion) -> RegisteredModel:
        return _registered(model, await self._registry.aliases.of(model.id.name))

    async def _register(self, request: RegisterModel) -> ModelRegistration:
        try:
            registration = await self._registered(request)
        except BundleError as error:
            raise InvalidInputError(error.detail) from error
        return ModelRegistration(model=registration.model, is_new=registration.is_new)

    async def _registered(self, request: RegisterModel) -> Registration:
        bundle = request.bundle
        if isinstance(bundle, BundleFolder):
            return await self._registry.register(
                Path(bundle.path),
                notes=request.notes,
                lineage=request.lineage,
                by=request.by,
                expected_sha256=request.expected_sha256,
            )
        return await self._registry.register_stored(
            bundle.prefix,
            notes=request.notes,
            lineage=request.lineage,
            by=request.by,
            expected_sha256=request.expected_sha256,
        )

    async def _annotate(self, request: AnnotateModel) -> RegisteredModel:
        model = await self._registry.get(request.model)
        expected = request.expected_revision
        if expected is not None and model.revision != expected:
            raise ConflictError(f"{model.id} has revision {model.revision} and not {expected}; read it again")
        return await self._with_aliases(await self._registry.annotate(model, request.notes))

    async def _aliases(self, name: str) -> AliasMoves:
        current = await self._registry.aliases.of(name)
        if not current and not await self._registry.versions(name=name, with_deprecated=True):
            raise NotFoundError(f"there is no model {name!r}")
        return AliasMoves(moves=tuple(current.values()))

    async def _move(self, request: SetAlias | RemoveAlias, version: str | None) -> AliasMove:
        aliases = self._registry.aliases
        present = request.expected or await aliases.meaning(request.name, request.alias)
        if present is None and version is None:
            raise NotFoundError(f"model {request.name!r} has no alias {request.alias!r}")
        return await aliases.move(
            request.name, request.alias, version, expected=present, by=request.by, reason=request.reason
        )


class ModelsDesk:
    """All that can be asked of models.

    Args:
        changed: called when there may be something to tell of the registry.
    """

    def __init__(self, bus: Bus, registry: ModelRegistry, changed: Callable[[], None]) -> None:
        self._bus = bus
        self._registry = registry
        self._registry_desk = RegistryDesk(registry)
        self._serving = ModelServing(bus)
        self._changed = changed

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers requests while the block runs."""
        responder = Responder(self._bus, subjects.CONTROL_MODELS, MODELS_REQUESTS, self.answer)
        async with responder.answering():
            yield

    async def answer(self, request: ModelsRequest) -> BaseModel:
        """What is asked for; see `sightwire.contracts.model_control`."""
        if isinstance(request, ServingRequest):
            return await self._answer_about_embedders(request)
        answer = await self._registry_desk.answer(request)
        if isinstance(request, RegisterModel | SetAlias | RollBackAlias):
            self._changed()
        return answer

    async def _answer_about_embedders(self, request: ServingRequest) -> BaseModel:
        match request:
            case LoadModel():
                return await self._serving.load(await self._registry.get(request.model), by=request.by)
            case UnloadModel():
                return await self._serving.unload(await self._registry.get(request.model))
            case SwitchModel():
                model = None if request.model is None else await self._registry.get(request.model)
                return await self._serving.switch(model, by=request.by)
            case ListServedModels():
                return await self._serving.served()
            case _:
                assert_never(request)


def _registered(model: ModelVersion, aliases: dict[str, AliasMove]) -> RegisteredModel:
    meaning = tuple(alias for alias, move in aliases.items() if move.version == model.id.version)
    return RegisteredModel(model=model, aliases=meaning)


def _read_cursor(cursor: str) -> ModelId:
    reference = parse_reference(cursor)
    if reference.version is None:
        raise InvalidInputError(f"cursor {cursor!r} is none that a page of models had")
    return ModelId(name=reference.name, version=reference.version)
