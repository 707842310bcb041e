"""Which registered models embedders are to serve, and which they do."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from sightwire.bus.connection import Bus
from sightwire.bus.embedding_models import EmbeddingModels, WantedModels
from sightwire.bus.watching import read_bucket
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.embedding_models import DefaultSpace, EmbedderAnnouncement, EmbeddingModel
from sightwire.contracts.model_control import EmbedderServing, ServedModel, ServedModels, ServingState
from sightwire.contracts.models import ModelId, ModelVersion
from sightwire.contracts.streams import COLLECTIONS, EMBEDDERS
from sightwire.errors import ConflictError, NotFoundError, UnavailableError


class ModelServing:
    """Tells embedders what to serve. One at a time decides: of two requests the second sees what the first one did."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._models = EmbeddingModels(bus)
        self._deciding = asyncio.Lock()

    async def load(self, model: ModelVersion, *, by: str = "") -> ServedModel:
        """Has every embedder serve a version; of one that is loaded already nothing changes.

        Raises:
            ConflictError: another version of its space is served.
            UnavailableError: the bus does not answer.
        """
        async with self._deciding:
            wanted = await self._models.wanted()
            embedders = await self._embedders()
            present = wanted.models.get(model.space)
            _refuse_another(model, present, embedders)
            if present is None:
                present = EmbeddingModel(
                    model=model.id,
                    space=model.space,
                    bundle_sha256=model.bundle_sha256,
                    files=model.files,
                    requested_at=datetime.now(UTC),
                    requested_by=by,
                )
                await self._models.put(present)
                wanted = WantedModels({**wanted.models, model.space: present}, wanted.default)
        [served] = [one for one in served_models(wanted, embedders).models if one.space == model.space]
        return served

    async def unload(self, model: ModelVersion) -> ServedModels:
        """Has embedders give up a version that was loaded.

        Raises:
            ConflictError: it is the default, or a collection has vectors of its space.
            NotFoundError: it is not loaded.
            UnavailableError: the bus does not answer.
        """
        async with self._deciding:
            await self._loaded(model)
            users = await self._collections_with(model.space)
            if users:
                raise ConflictError(
                    f"{model.id} embeds the queries and items of {', '.join(users)} (space {model.space!r}); move them "
                    "to another model first"
                )
            await self._models.remove(model.space)
        return await self.served()

    async def switch(self, model: ModelVersion | None, *, by: str = "") -> ServedModels:
        """Makes a loaded version the default of all embedders; None: of each the one that it was started with.

        Raises:
            ConflictError: an embedder does not serve it.
            NotFoundError: it is not loaded.
            UnavailableError: no embedder lives, or the bus does not answer.
        """
        async with self._deciding:
            if model is None:
                await self._models.clear_default()
            else:
                wanted = await self._loaded(model)
                _refuse_unserved(model, served_models(wanted, await self._embedders()))
                default = DefaultSpace(space=model.space, switched_at=datetime.now(UTC), switched_by=by)
                await self._models.set_default(default)
        return await self.served()

    async def served(self) -> ServedModels:
        """What embedders serve, and are to serve.

        Raises:
            UnavailableError: the bus does not answer.
        """
        return served_models(await self._models.wanted(), await self._embedders())

    async def _loaded(self, model: ModelVersion) -> WantedModels:
        wanted = await self._models.wanted()
        present = wanted.models.get(model.space)
        if present is None or present.model != model.id:
            raise NotFoundError(f"{model.id} is not loaded; `sightwire models loaded` shows what is")
        return wanted

    async def _embedders(self) -> list[EmbedderAnnouncement]:
        values = [change.value for change in await read_bucket(self._bus, EMBEDDERS)]
        return [EmbedderAnnouncement.from_json(value) for value in values if value is not None]

    async def _collections_with(self, space: str) -> list[str]:
        values = [change.value for change in await read_bucket(self._bus, COLLECTIONS)]
        records = [CollectionRecord.model_validate_json(value) for value in values if value is not None]
        return sorted(record.users_name for record in records if record.has_index and record.space == space)


def served_models(wanted: WantedModels, embedders: Sequence[EmbedderAnnouncement]) -> ServedModels:
    """How far embedders are with each model.

    Args:
        wanted: what all embedders are to serve.
        embedders: those that live.
    """
    started_with = {space: model for embedder in embedders for space, model in embedder.serving.items()}
    models = started_with | {space: loaded.model for space, loaded in wanted.models.items()}
    return ServedModels(
        models=tuple(_served(space, models[space], wanted, embedders) for space in sorted(models)),
        default_space=None if wanted.default is None else wanted.default.space,
    )


def _served(space: str, model: ModelId, wanted: WantedModels, embedders: Sequence[EmbedderAnnouncement]) -> ServedModel:
    loaded = wanted.models.get(space)
    # No other embedder is to serve what one was started with.
    concerned = [embedder for embedder in embedders if loaded is not None or embedder.serves(space)]
    serving = tuple(_serving(embedder, space, model) for embedder in concerned)
    defaults = {wanted.default.space} if wanted.default is not None else {one.default_space for one in embedders}
    return ServedModel(
        model=model,
        space=space,
        state=_state_of_all([one.state for one in serving]),
        embedders=tuple(sorted(serving, key=lambda one: one.embedder)),
        is_default=defaults == {space},
        is_loaded=loaded is not None,
        requested_at=None if loaded is None else loaded.requested_at,
        requested_by="" if loaded is None else loaded.requested_by,
    )


def _serving(embedder: EmbedderAnnouncement, space: str, model: ModelId) -> EmbedderServing:
    name, present = embedder.embedder, embedder.serving.get(space)
    if present == model:
        return EmbedderServing(embedder=name, state=ServingState.SERVING)
    if present is not None:
        reason = f"it was started with {present}, which has the same space"
        return EmbedderServing(embedder=name, state=ServingState.FAILED, reason=reason)
    if space in embedder.failed:
        return EmbedderServing(embedder=name, state=ServingState.FAILED, reason=embedder.failed[space])
    return EmbedderServing(embedder=name, state=ServingState.LOADING)


def _state_of_all(states: Sequence[ServingState]) -> ServingState:
    for state in (ServingState.FAILED, ServingState.LOADING):
        if state in states:
            return state
    return ServingState.SERVING if states else ServingState.LOADING


def _refuse_another(
    model: ModelVersion, loaded: EmbeddingModel | None, embedders: Sequence[EmbedderAnnouncement]
) -> None:
    if loaded is not None and loaded.model != model.id:
        raise ConflictError(
            f"space {model.space!r} is that of {loaded.model}, which is loaded; unload it before {model.id}"
        )
    for embedder in embedders:
        present = embedder.serving.get(model.space, model.id)
        if present != model.id:
            raise ConflictError(
                f"space {model.space!r} is that of {present}, which {embedder.embedder} was started with; {model.id} "
                "cannot be loaded beside it"
            )


def _refuse_unserved(model: ModelVersion, served: ServedModels) -> None:
    [found] = [one for one in served.models if one.space == model.space]
    if not found.embedders:
        raise UnavailableError(f"no embedder lives that could serve {model.id}; start one and try again")
    missing = [one for one in found.embedders if one.state is not ServingState.SERVING]
    if missing:
        told = "; ".join(f"{one.embedder}: {one.reason or one.state}" for one in missing)
        raise ConflictError(f"{model.id} is not served by every embedder yet: {told}")
