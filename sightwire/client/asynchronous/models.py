"""`sightwire.models`: the registry of models."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.model_control import (
    AliasMoves,
    ModelList,
    ModelRegistration,
    RegisteredModel,
    ServedModel,
    ServedModels,
)
from sightwire.contracts.models import AliasMove, ModelComparison, ModelId, ModelLineage, ModelNotes

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Models:
    """`sightwire.models`. Models are named as NAME, NAME:VERSION or NAME@ALIAS."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._send = sightwire.send

    async def register(
        self,
        bundle: Mapping[str, str],
        *,
        notes: ModelNotes | Mapping[str, Any] | None = None,
        lineage: ModelLineage | Mapping[str, Any] | None = None,
        expected_sha256: str | None = None,
    ) -> ModelRegistration:
        """Register a bundle in the blob store, or in a folder of the orchestrator's machine.

        Example::

            await sightwire.models.register({"kind": "stored", "prefix": "bundles/clipart-2"})
        """
        return await self._send(
            calls.register_model(bundle, notes=notes, lineage=lineage, expected_sha256=expected_sha256)
        )

    async def list(
        self,
        *,
        name: str | None = None,
        space: str | None = None,
        tag: str | None = None,
        alias: str | None = None,
        with_deprecated: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ModelList:
        """Versions by name, the newest of each first."""
        return await self._send(
            calls.list_models(
                name=name,
                space=space,
                tag=tag,
                alias=alias,
                with_deprecated=with_deprecated,
                limit=limit,
                cursor=cursor,
            )
        )

    async def get(self, model: str) -> RegisteredModel:
        """A version and its aliases."""
        return await self._send(calls.get_model(model))

    async def lineage(self, model: str) -> ModelList:
        """The version, the one that it was made from, and so on to the first one."""
        return await self._send(calls.get_lineage(model))

    async def compare(self, before: str, after: str) -> ModelComparison:
        """What differs between two versions."""
        return await self._send(calls.compare_models(before, after))

    async def annotate(
        self, model: str, notes: ModelNotes | Mapping[str, Any], *, expected_revision: int | None = None
    ) -> RegisteredModel:
        """Give a version other notes; what is left out is removed."""
        return await self._send(calls.annotate_model(model, notes, expected_revision=expected_revision))

    async def deprecate(self, model: str, reason: str, *, replacement: ModelId | None = None) -> RegisteredModel:
        """Mark a version as one not to be used any more."""
        return await self._send(calls.deprecate_model(model, reason, replacement=replacement))

    async def aliases(self, name: str) -> AliasMoves:
        """The last move of each alias that a model has."""
        return await self._send(calls.list_aliases(name))

    async def alias_history(self, name: str, alias: str) -> AliasMoves:
        """All moves of an alias, the last one first."""
        return await self._send(calls.read_alias(name, alias))

    async def set_alias(
        self, name: str, alias: str, version: str, *, expected: str | None = None, reason: str = ""
    ) -> AliasMove:
        """Let an alias mean a version; only if it means `expected` now, where given."""
        return await self._send(calls.set_alias(name, alias, version, expected=expected, reason=reason))

    async def remove_alias(self, name: str, alias: str, *, expected: str | None = None, reason: str = "") -> AliasMove:
        """Take an alias away."""
        return await self._send(calls.remove_alias(name, alias, expected=expected, reason=reason))

    async def roll_back_alias(self, name: str, alias: str, *, reason: str = "") -> AliasMove:
        """Let an alias mean what it meant before its last move."""
        return await self._send(calls.roll_back_alias(name, alias, reason=reason))

    async def load(self, name: str, version: str) -> ServedModel:
        """Have every embedder load a version in the background; `serving` tells how far they are."""
        return await self._send(calls.load_model(name, version))

    async def switch(self, name: str, version: str) -> ServedModel:
        """Make a loaded version the one that is meant where none is named."""
        return await self._send(calls.switch_model(name, version))

    async def served(self) -> ServedModels:
        """What embedders serve, and what they are to serve."""
        return await self._send(calls.list_served())

    async def serving(self, name: str, version: str) -> ServedModel:
        """How far embedders are with a version."""
        return await self._send(calls.get_served(name, version))

    async def unload(self, name: str, version: str) -> ServedModels:
        """Have embedders give a loaded version up; those that remain."""
        return await self._send(calls.unload_model(name, version))
