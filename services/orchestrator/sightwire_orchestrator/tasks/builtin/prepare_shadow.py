"""`prepare_shadow`: a collection's shadow, in the space of another model."""

from datetime import UTC, datetime

from pydantic import JsonValue

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.embedders import EmbedderDirectory
from sightwire.bus.migrations import Migrations
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.models import ModelId
from sightwire.contracts.names import CollectionName, SpaceName
from sightwire.errors import ConflictError, InvalidInputError
from sightwire_orchestrator.migrations.shadow_records import shadow_name, shadow_record
from sightwire_orchestrator.migrations.switching import with_shadow
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class PrepareShadowParameters(TaskParameters):
    """Which collection, and to which model; as `load_model` says."""

    collection: CollectionName
    name: str
    version: str
    space: SpaceName


@handler("prepare_shadow")
async def prepare_shadow(context: TaskContext, parameters: PrepareShadowParameters) -> JsonValue:
    """Make a shadow that gets all that its collection gets: {collection, shadow, source, space, dimension}.

    Refused while another migration of the collection runs. It waits until every embedder passes new items on.
    """
    bus = context.resources.require_bus()
    registry, migrations = CollectionRegistry(bus), Migrations(bus)
    users = await registry.get(parameters.collection)
    if users.shadow_of is not None:
        raise InvalidInputError(f"{users.name!r} is a shadow of {users.shadow_of!r}; migrate that one")
    name = shadow_name(users.name, context.run)
    source = await registry.get(users.index_name)
    if source.space == parameters.space and name not in users.shadows:
        raise InvalidInputError(f"collection {users.name!r} is in space {source.space!r} already")
    kept = await _kept_copies(migrations, users)
    # Looked at here as well, so that what is refused leaves nothing behind.
    with_shadow(users, name, source=source.name, kept=kept)
    model = await context.resources.embedder.describe_model(parameters.space)
    # Before anything is made: what has no migration belongs to nobody, and stays for ever.
    migration = await migrations.create(
        Migration(
            collection=users.name,
            collection_uid=users.uid,
            shadow=name,
            source=source.name,
            model=ModelId(name=parameters.name, version=parameters.version),
            space=parameters.space,
            run=context.run,
            started_at=datetime.now(UTC),
        )
    )
    if migration.state is MigrationState.ABANDONED:
        raise ConflictError(f"this migration of {users.name!r} was abandoned; begin a new one")
    shadow = await _created(registry, shadow_record(users, model, name=name, now=datetime.now(UTC)))
    await registry.change(users.name, lambda record: with_shadow(record, name, source=migration.source, kept=kept))
    await _passed_on_to(context, bus, name)
    return {
        "collection": users.name,
        "shadow": name,
        "source": migration.source,
        "space": shadow.space,
        "dimension": model.dimension,
    }


async def _created(registry: CollectionRegistry, shadow: CollectionRecord) -> CollectionRecord:
    try:
        await registry.create(shadow)
    except ConflictError:
        # An attempt before this one made it.
        return await registry.get(shadow.name)
    return shadow


async def _kept_copies(migrations: Migrations, users: CollectionRecord) -> set[str]:
    known = await migrations.all(users.name)
    return {one.spare for one in known if one.spare is not None and one.collection_uid == users.uid}


async def _passed_on_to(context: TaskContext, bus: Bus, shadow: str) -> None:
    async with EmbedderDirectory(bus) as embedders:
        while not embedders.passing_on_to(shadow):
            live = embedders.all()
            done = sum(shadow in embedder.shadows for embedder in live)
            context.progress("telling the embedders", done=done, total=len(live), unit="embedders")
            await embedders.wait_for_change()
