"""Serves what the bus wants to be served: fetches, checks, loads and warms models in the background, and drops them."""

import asyncio
import itertools
import logging
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sightwire.bundles import Bundle, BundleError
from sightwire.bundles.stored_files import BundleFiles
from sightwire.bus.embedding_models import WantedModels
from sightwire.contracts.embedding_models import EmbeddingModel
from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError
from sightwire.lasting_tasks import start_lasting
from sightwire_embedder.backoff import backoff_seconds
from sightwire_embedder.engine import EmbeddingEngine
from sightwire_embedder.models.changes import decide_changes
from sightwire_embedder.models.served_models import ServedModel, ServedModels

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 60.0

MakeEngine = Callable[[Bundle], EmbeddingEngine]


@dataclass(slots=True, eq=False)
class _Loading:
    """A model on its way."""

    model: EmbeddingModel
    task: "asyncio.Task[None]"
    was_tried: asyncio.Event


class ModelKeeper:
    """Follows what is wanted. Use as an async context manager; leaving it drops all but the model of the start."""

    def __init__(
        self,
        served: ServedModels,
        wanted: AsyncGenerator[WantedModels],
        files: BundleFiles,
        folder: Path,
        make_engine: MakeEngine,
        changed: Callable[[], None],
    ) -> None:
        """
        Args:
            served: where models are added and taken away.
            wanted: what is to be served, now and after each change.
            files: where bundles come from.
            folder: where they are put; what lies there whole is not fetched again.
            make_engine: an engine of a verified bundle, not yet entered.
            changed: called after each change of `served`.
        """
        self._served = served
        self._wanted = wanted
        self._files = files
        self._folder = folder
        self._make_engine = make_engine
        self._changed = changed
        self._loading: dict[str, _Loading] = {}
        self._open_engines: dict[ServedModel, AsyncExitStack] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._knows_what_is_wanted = asyncio.Event()
        self._last_wanted = WantedModels({})
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = start_lasting(self._follow(), name="model-keeper")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            await end_tasks(self._task)
        await end_tasks(*(loading.task for loading in self._loading.values()), *self._background)
        for engine in self._open_engines.values():
            await engine.aclose()

    async def wait_until_tried(self) -> None:
        """Returns once each model that was wanted at the start is served, or could not be loaded a first time."""
        await self._knows_what_is_wanted.wait()
        for loading in list(self._loading.values()):
            await loading.was_tried.wait()

    async def _follow(self) -> None:
        async with aclosing(self._wanted) as states:
            async for wanted in states:
                self._apply(wanted)
                self._knows_what_is_wanted.set()

    def _apply(self, wanted: WantedModels) -> None:
        present = {space: model.bundle_sha256 for space, model in self._served.by_space.items()}
        present |= {space: loading.model.bundle_sha256 for space, loading in self._loading.items()}
        changes = decide_changes(wanted.models, present=present, started_space=self._served.started_space)
        for space in changes.drop:
            self._stop_loading(space)
            if space in self._served.by_space:
                self._drop(self._served.take_away(space))
        for model in changes.load:
            self._stop_loading(model.space)
            self._begin_to_load(model)
        for space in list(self._served.failed):
            if space not in self._loading:
                del self._served.failed[space]
        self._served.failed.update(changes.refused)
        self._last_wanted = wanted
        self._choose_default()
        self._changed()

    def _choose_default(self) -> None:
        default = self._last_wanted.default
        self._served.make_default(None if default is None else default.space)

    def _begin_to_load(self, model: EmbeddingModel) -> None:
        was_tried = asyncio.Event()
        task = asyncio.create_task(self._load_until_done(model, was_tried), name=f"load {model.space}")
        self._loading[model.space] = _Loading(model, task, was_tried)
        self._served.loading.add(model.space)

    def _stop_loading(self, space: str) -> None:
        loading = self._loading.pop(space, None)
        if loading is not None:
            self._served.loading.discard(space)
            loading.was_tried.set()
            # At once: another step of it could take what follows for its own.
            loading.task.cancel()
            self._in_background(end_tasks(loading.task))

    def _drop(self, model: ServedModel) -> None:
        self._in_background(self._close_when_unused(model))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _load_until_done(self, model: EmbeddingModel, was_tried: asyncio.Event) -> None:
        for tries in itertools.count(1):
            try:
                self._serve(await self._load(model))
            except Exception as error:
                reason = error.detail if isinstance(error, SightwireError) else f"{type(error).__name__}: {error}"
            else:
                self._served.failed.pop(model.space, None)
                break
            self._served.failed[model.space] = reason
            self._served.loading.discard(model.space)
            was_tried.set()
            self._changed()
            delay = backoff_seconds(
                tries,
                random.random(),  # noqa: S311  not a secret
                first=_FIRST_RETRY_SECONDS,
                longest=_LONGEST_RETRY_SECONDS,
            )
            logger.warning(
                "cannot serve a model yet", extra={"model": str(model.model), "reason": reason, "seconds": delay}
            )
            await asyncio.sleep(delay)
            self._served.loading.add(model.space)
            self._changed()
        del self._loading[model.space]
        self._served.loading.discard(model.space)
        was_tried.set()
        self._changed()

    async def _load(self, model: EmbeddingModel) -> ServedModel:
        bundle = await self._files.fetch(model.model, model.files, self._folder)
        if bundle.spec.space != model.space:
            raise BundleError(
                f"model {model.model} was asked for as one of space {model.space!r}, but its bundle is of space "
                f"{bundle.spec.space!r}"
            )
        async with self._one_at_a_time, AsyncExitStack() as resources:
            engine = await resources.enter_async_context(self._make_engine(bundle))
            loaded = ServedModel(engine, model.model, model.bundle_sha256)
            self._open_engines[loaded] = resources.pop_all()
        return loaded

    def _serve(self, model: ServedModel) -> None:
        replaced = self._served.add(model)
        if replaced is not None:
            self._drop(replaced)
        self._choose_default()
        logger.info("serving a model", extra={"model": str(model.id), "space": model.engine.spec.space})

    async def _close_when_unused(self, model: ServedModel) -> None:
        await model.wait_until_unused()
        await self._open_engines.pop(model).aclose()
        logger.info("serving a model no longer", extra={"model": str(model.id)})
