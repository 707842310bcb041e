"""What is to be done about a migration that nobody looks after any more; pure."""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.migrations import Migration, MigrationState

#: How long it is told of migrations that have ended.
_REMEMBERED: Final = timedelta(days=90)


class Step(Enum):
    """What is to be done."""

    NOTHING = auto()
    #: Its run ended, and the shadow does not answer.
    ABANDON = auto()
    #: It was abandoned, and its shadow was made afterwards or is still there.
    DROP_SHADOW = auto()
    #: The shadow answers, and who switched could not note it.
    MARK_PROMOTED = auto()
    #: The index before it answers, and who switched could not note it.
    MARK_ROLLED_BACK = auto()
    #: The copy that does not answer was kept long enough.
    RETIRE = auto()
    #: Its collection is gone, or it is long ago.
    FORGET = auto()


def next_step(
    migration: Migration, users: CollectionRecord | None, *, shadow_exists: bool, run_ended: bool, now: datetime
) -> Step:
    """What is to be done about a migration.

    Args:
        migration: as it is stored.
        users: the record of its collection; None: there is none of its uid.
        shadow_exists: whether its shadow has a record.
        run_ended: whether its run has.
        now: the time.
    """
    if users is None or users.uid != migration.collection_uid:
        return Step.DROP_SHADOW if shadow_exists else Step.FORGET
    match migration.state:
        case MigrationState.RUNNING if run_ended:
            return Step.MARK_PROMOTED if users.answering == migration.shadow else Step.ABANDON
        case MigrationState.RUNNING:
            return Step.NOTHING
        case MigrationState.ABANDONED if users.answering == migration.shadow:
            # It was promoted in the same moment.
            return Step.MARK_PROMOTED
        case MigrationState.ABANDONED if shadow_exists:
            return Step.DROP_SHADOW
        case MigrationState.PROMOTED if users.index_name == migration.source:
            return Step.MARK_ROLLED_BACK
        case _:
            return _afterwards(migration, users, now)


def _afterwards(migration: Migration, users: CollectionRecord, now: datetime) -> Step:
    spare = migration.spare
    if spare is not None:
        is_over = migration.keep_until is not None and migration.keep_until <= now
        return Step.RETIRE if is_over and users.index_name != spare else Step.NOTHING
    ended = migration.retired_at or migration.ended_at
    return Step.FORGET if ended is not None and ended + _REMEMBERED < now else Step.NOTHING
