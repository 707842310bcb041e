"""Which models answer here, by space. A model that is taken away answers those who use it already."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sightwire.contracts.models import ModelId
from sightwire.errors import UnavailableError
from sightwire_embedder.engine import EmbeddingEngine


class NotServedError(UnavailableError):
    """No model of a space is served here; another embedder may serve it, or this one soon."""


@dataclass(slots=True, eq=False)
class ServedModel:
    """A model that is loaded and warm."""

    engine: EmbeddingEngine
    id: ModelId
    #: Of its bundle.yaml.
    bundle_sha256: str
    users: int = 0
    unused: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def use(self) -> Iterator[EmbeddingEngine]:
        """The engine, which is kept for as long as this lasts."""
        self.users += 1
        self.unused.clear()
        try:
            yield self.engine
        finally:
            self.users -= 1
            if not self.users:
                self.unused.set()

    async def wait_until_unused(self) -> None:
        """Returns once nobody uses the engine."""
        if self.users:
            await self.unused.wait()


class ServedModels:
    """Models by space, one of them the default, and what is known of those that are not served. For one event loop."""

    def __init__(self, started: ServedModel) -> None:
        """`started` is the model that this embedder was started with; it is never taken away."""
        self.started_space = started.engine.spec.space
        self.default_space = self.started_space
        self._models = {self.started_space: started}
        #: Spaces whose models are being fetched, checked or loaded.
        self.loading: set[str] = set()
        #: Why a model cannot be served, by space.
        self.failed: dict[str, str] = {}

    @property
    def by_space(self) -> Mapping[str, ServedModel]:
        return self._models

    @contextmanager
    def use(self, space: str = "") -> Iterator[EmbeddingEngine]:
        """The engine of a space, of the default one if none is named; it is kept for as long as this lasts.

        Raises:
            NotServedError: there is none here now.
        """
        with self._find(space or self.default_space).use() as engine:
            yield engine

    def add(self, model: ServedModel) -> ServedModel | None:
        """Serves a model from now on; answers the one of its space that it replaces."""
        space = model.engine.spec.space
        replaced = self._models.get(space)
        self._models[space] = model
        return replaced

    def take_away(self, space: str) -> ServedModel:
        """Serves a model no longer; those who use it may finish. The default is then the one that was started with."""
        assert space != self.started_space, "an embedder serves for ever what it was started with"
        if space == self.default_space:
            self.default_space = self.started_space
        return self._models.pop(space)

    def make_default(self, space: str | None) -> None:
        """Answers with a space where none is named, if it is served; None: with the one that was started with.

        A default that is not served yet leaves the one before in its place, so that no request fails in between.
        """
        if space is None:
            self.default_space = self.started_space
        elif space in self._models:
            self.default_space = space

    def _find(self, space: str) -> ServedModel:
        model = self._models.get(space)
        if model is None:
            raise NotServedError(self._why_not(space))
        return model

    def _why_not(self, space: str) -> str:
        served = f"this embedder serves {', '.join(map(repr, sorted(self._models)))}"
        if space in self.failed:
            return f"the model of space {space!r} cannot be served: {self.failed[space]}; {served}"
        if space in self.loading:
            return f"the model of space {space!r} is being loaded; try again in a moment; {served}"
        return f"no model of space {space!r} is served; {served}; load a model of it, or start an embedder with one"
