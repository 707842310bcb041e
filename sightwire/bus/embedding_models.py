"""The models that every embedder is to serve, and which space is meant by default: the `embedding_models` bucket."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from nats.errors import Error as NatsError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket, watch_bucket
from sightwire.contracts.embedding_models import DEFAULT_SPACE_KEY, DefaultSpace, EmbeddingModel
from sightwire.contracts.streams import EMBEDDING_MODELS
from sightwire.errors import ConflictError, NotFoundError, UnavailableError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WantedModels:
    """What embedders are to serve besides the bundle that each was started with."""

    models: Mapping[str, EmbeddingModel]
    """By space."""
    default: DefaultSpace | None = None
    """None: the bundle that each was started with."""


class EmbeddingModels:
    """Writes and reads what embedders are to serve. They follow within moments, and load in the background."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def put(self, model: EmbeddingModel) -> None:
        """Has every embedder serve a model, in the place of one of the same space.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        await self._put(model.space, model.model_dump_json().encode())

    async def remove(self, space: str) -> None:
        """Has every embedder unload a model, except those that were started with it.

        Raises:
            NotFoundError: no embedder was told to serve it.
            ConflictError: it is the default.
            UnavailableError: the bus did not confirm it.
        """
        wanted = await self.wanted()
        if space not in wanted.models:
            raise NotFoundError(f"no embedder was told to serve {space!r} (told: {', '.join(wanted.models) or 'none'})")
        if wanted.default is not None and wanted.default.space == space:
            raise ConflictError(f"space {space!r} is the default of the embedders; switch to another one first")
        await self._delete(space)

    async def all(self) -> list[EmbeddingModel]:
        """The models, in no order, without those that embedders were started with.

        Raises:
            UnavailableError: the bus does not answer.
        """
        return list((await self.wanted()).models.values())

    async def set_default(self, default: DefaultSpace) -> None:
        """Has every embedder that serves a space answer with it where none is named.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        await self._put(DEFAULT_SPACE_KEY, default.model_dump_json().encode())

    async def clear_default(self) -> None:
        """Has every embedder answer with the bundle that it was started with where no space is named.

        Raises:
            UnavailableError: the bus did not confirm it.
        """
        await self._delete(DEFAULT_SPACE_KEY)

    async def wanted(self) -> WantedModels:
        """What embedders are to serve now.

        Raises:
            UnavailableError: the bus does not answer.
        """
        changes = await read_bucket(self._bus, EMBEDDING_MODELS)
        return _wanted({change.key: change.value for change in changes if change.value is not None})

    async def follow(self) -> AsyncGenerator[WantedModels]:
        """What embedders are to serve now, and again after each change, for as long as it is asked for."""
        values: dict[str, bytes] = {}
        is_complete = False
        async with aclosing(watch_bucket(self._bus, EMBEDDING_MODELS)) as changes:
            async for change in changes:
                if change is None:
                    is_complete = True
                elif change.value is None:
                    values.pop(change.key, None)
                else:
                    values[change.key] = change.value
                if is_complete:
                    yield _wanted(values)

    async def _put(self, key: str, value: bytes) -> None:
        try:
            await (await self._bus.bucket(EMBEDDING_MODELS)).put(key, value)
        except (NatsError, TimeoutError) as error:
            raise UnavailableError(f"the bus did not store {key!r} for the embedders: {error!r}; try again") from error

    async def _delete(self, key: str) -> None:
        try:
            await (await self._bus.bucket(EMBEDDING_MODELS)).delete(key)
        except (NatsError, TimeoutError) as error:
            raise UnavailableError(f"the bus did not remove {key!r} for the embedders: {error!r}; try again") from error


def _wanted(values: Mapping[str, bytes]) -> WantedModels:
    models: dict[str, EmbeddingModel] = {}
    default: DefaultSpace | None = None
    for key, value in values.items():
        try:
            if key == DEFAULT_SPACE_KEY:
                default = DefaultSpace.model_validate_json(value)
            else:
                models[key] = EmbeddingModel.model_validate_json(value)
        except ValidationError as error:
            # What a newer version wrote must not keep the others from being served.
            logger.error("cannot read which model is wanted", extra={"key": key, "error": str(error)})
    return WantedModels(models, default)
