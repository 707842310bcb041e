"""Aliases of models: moved from one version to another, by compare-and-set, and back."""

from datetime import UTC, datetime

from sightwire.contracts.models import AliasMove, ModelId
from sightwire.errors import ConflictError, NotFoundError
from sightwire_orchestrator.registry.alias_store import AliasStore
from sightwire_orchestrator.registry.references import parse_reference
from sightwire_orchestrator.registry.version_store import VersionStore


class Aliases:
    """What aliases of models mean. Every move is kept."""

    def __init__(self, store: AliasStore, versions: VersionStore) -> None:
        self._store = store
        self._versions = versions

    async def meaning(self, name: str, alias: str) -> str | None:
        """The version that an alias means, None if the model has no such alias."""
        move = (await self._store.current(name)).get(alias)
        return None if move is None else move.version

    async def of(self, name: str) -> dict[str, AliasMove]:
        """The aliases of a model, each with its last move."""
        return await self._store.current(name)

    async def all(self) -> dict[str, dict[str, AliasMove]]:
        """The aliases that models have, by model and name, each with its last move."""
        return await self._store.all_current()

    async def history(self, name: str, alias: str) -> list[AliasMove]:
        """All moves of an alias, the last one first."""
        return await self._store.history(name, alias)

    async def move(
        self, name: str, alias: str, version: str | None, *, expected: str | None, by: str = "", reason: str = ""
    ) -> AliasMove:
        """Lets an alias mean another version, if it means the expected one now.

        Args:
            name: the model's.
            alias: such as `live`.
            version: what it means from now on; None: it is removed.
            expected: what it means now; None: it is not there.
            by: who moves it.
            reason: why.

        Raises:
            ConflictError: it means something else than expected, or the version is deprecated.
            NotFoundError: the version is not registered.
            InvalidInputError: the alias has a name that is not allowed.
        """
        return await self._move(name, alias, version, expected=expected, by=by, reason=reason, is_rollback=False)

    async def roll_back(self, name: str, alias: str, *, by: str = "", reason: str = "") -> AliasMove:
        """Lets an alias mean again what it meant before its last move; twice means the first one again.

        Raises:
            ConflictError: it meant nothing before, or was moved at the same moment, or the version is deprecated.
            NotFoundError: the model has no such alias.
        """
        history = await self._store.history(name, alias)
        if not history or history[0].version is None:
            raise NotFoundError(f"model {name!r} has no alias {alias!r}")
        last = history[0]
        if last.previous is None:
            raise ConflictError(f"{name}@{alias} meant nothing before {last.version!r}")
        return await self._move(
            name, alias, last.previous, expected=last.version, by=by, reason=reason, is_rollback=True
        )

    async def _move(
        self,
        name: str,
        alias: str,
        version: str | None,
        *,
        expected: str | None,
        by: str,
        reason: str,
        is_rollback: bool,
    ) -> AliasMove:
        parse_reference(f"{name}@{alias}")
        if version is not None:
            await self._versions.get(ModelId(name=name, version=version))
        history = await self._store.history(name, alias)
        present = history[0].version if history else None
        if present != expected:
            raise ConflictError(f"{name}@{alias} means {_shown(present)} and not {_shown(expected)}; look again")
        move = AliasMove(
            name=name,
            alias=alias,
            revision=history[0].revision + 1 if history else 1,
            version=version,
            previous=present,
            by=by,
            reason=reason,
            at=datetime.now(UTC),
        )
        await self._store.append(move, is_rollback=is_rollback)
        return move


def _shown(version: str | None) -> str:
    return "nothing" if version is None else repr(version)
