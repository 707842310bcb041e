"""What the gateway thinks of moves of collections to other models, by what it sees of them; pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import Finding
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import PipelineRunState

#: The active orchestrator looks every five seconds at what is to be cleared away.
_CLEARING: Final = timedelta(minutes=1)
#: Re-embedding yields to queries and to new items; what waits for longer than this is looked at.
_WAITING: Final = timedelta(minutes=10)
#: Of REEMBED as a whole, without one message carried out.
_IDLE: Final = timedelta(minutes=2)

_ORCHESTRATOR: Final = (
    "the active orchestrator does this within seconds: see whether one runs (`sightwire status`, or "
    "python -m sightwire_orchestrator starts one), and look at its log"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages of REEMBED for one index.

    Args:
        messages: that wait.
        oldest_at: when the first of them came.
        carried_out_at: when the last message for any index was carried out; None: never, or not known.
    """

    messages: int
    oldest_at: datetime
    carried_out_at: datetime | None


@dataclass(frozen=True, slots=True)
class MigrationSigns:
    """What is seen of a collection's migrations.

    Args:
        users: the collection's record.
        shadows: records of its shadows.
        migrations: of this collection.
        runs: of those that go on; None: there is no such run. Those that nobody could be asked about are not in it.
        backlogs: by the name of the index.
        embedders: those that live.
    """

    users: CollectionRecord
    shadows: Sequence[CollectionRecord]
    migrations: Sequence[Migration]
    runs: Mapping[str, RunReport | None]
    backlogs: Mapping[str, Backlog]
    embedders: Sequence[EmbedderAnnouncement]


def migration_findings(signs: MigrationSigns, now: datetime) -> Iterator[Finding]:
    """What is to be said; nothing about a collection that neither moves nor has moved of late."""
    for migration in signs.migrations:
        if migration.state is MigrationState.RUNNING:
            yield _running(migration, signs.runs, now)
        elif migration.spare is not None:
            yield _kept(migration, now)
    for shadow in signs.shadows:
        if not _is_needed(shadow.name, signs):
            yield _left(shadow.name, signs.migrations, now)
    for index in (signs.users, *signs.shadows):
        if (backlog := signs.backlogs.get(index.name)) is not None:
            yield _waiting(index, backlog, signs.embedders, now)


def orphan_finding(shadow: str, collection: str) -> Finding:
    """A shadow whose collection is gone."""
    return Finding(
        check="shadows",
        status="warning",
        detail=f"shadow {shadow!r} is left of collection {collection!r}, which is gone",
        advice=_dropping(shadow),
    )


def _running(migration: Migration, runs: Mapping[str, RunReport | None], now: datetime) -> Finding:
    run, check = migration.run, "migration"
    if run not in runs:
        return Finding(
            check=check,
            status="warning",
            detail=f"to {migration.model}: nobody says how run {run} stands, so that it does not go on",
            advice="start an orchestrator (python -m sightwire_orchestrator): it goes on where the run had come to",
        )
    report = runs[run]
    ended_at = migration.started_at if report is None else report.ended_at
    if ended_at is not None and ended_at + _CLEARING < now:
        became = "is gone" if report is None else f"was {report.state} {_ago(ended_at, now)} ago"
        detail = f"to {migration.model}: run {run} {became}, and what it made is still there"
        return Finding(check=check, status="warning", detail=detail, advice=f"clear it away: {_ORCHESTRATOR}")
    if report is not None and report.state is PipelineRunState.PAUSED:
        return Finding(
            check=check,
            status="warning",
            detail=f"to {migration.model}: run {run} is paused; both indexes take memory and whatever is put meanwhile",
            advice=f"`sightwire pipelines resume {run}`, or `sightwire pipelines cancel {run}`",
        )
    return Finding(check=check, status="ok", detail=f"to {migration.model}: {_progress(migration)} (run {run})")


def _progress(migration: Migration) -> str:
    filling = migration.filling
    if filling.is_done:
        return f"all {filling.sent} items are sent, and it is being judged"
    left = filling.seconds_left
    rest = "" if left is None else f", {timedelta(seconds=round(left))} left"
    return f"{filling.sent - filling.waiting} of {filling.total} items are embedded{rest}"


def _kept(migration: Migration, now: datetime) -> Finding:
    until, spare = migration.keep_until, migration.spare
    if until is None or until + _CLEARING > now:
        kept = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
        detail = f"index {spare!r} is kept for the way back{kept}"
        return Finding(check="kept index", status="ok", detail=detail)
    return Finding(
        check="kept index",
        status="warning",
        detail=f"index {spare!r} was to be kept for the way back until {_ago(until, now)} ago, and is still there",
        advice=f"drop it: {_ORCHESTRATOR}",
    )


def _is_needed(shadow: str, signs: MigrationSigns) -> bool:
    return shadow == signs.users.answering or any(
        shadow == migration.spare or (shadow == migration.shadow and migration.state is MigrationState.RUNNING)
        for migration in signs.migrations
    )


def _left(shadow: str, migrations: Iterable[Migration], now: datetime) -> Finding:
    maker = next((migration for migration in migrations if migration.shadow == shadow), None)
    if maker is None:
        return Finding(
            check="shadows",
            status="warning",
            detail=f"shadow {shadow!r} is of no migration: it takes memory, and what is put is embedded for it, too",
            advice=_dropping(shadow),
        )
    ended_at = maker.retired_at or maker.ended_at or maker.started_at
    detail = f"shadow {shadow!r} is left of a migration that was {maker.state} {_ago(ended_at, now)} ago"
    if ended_at + _CLEARING > now:
        return Finding(check="shadows", status="ok", detail=f"{detail}, and about to go")
    return Finding(check="shadows", status="warning", detail=detail, advice=f"remove it: {_ORCHESTRATOR}")


def _waiting(
    index: CollectionRecord, backlog: Backlog, embedders: Sequence[EmbedderAnnouncement], now: datetime
) -> Finding:
    check, count = "re-embedding", f"{backlog.messages} message(s) wait to be embedded for index {index.name!r}"
    if not any(embedder.serves(index.space) for embedder in embedders):
        reasons = {embedder.failed[index.space] for embedder in embedders if index.space in embedder.failed}
        return Finding(
            check=check,
            status="problem",
            detail="; ".join([f"{count}, and no embedder serves space {index.space!r}", *sorted(reasons)]),
            advice="`sightwire models loaded` says how far embedders are; `sightwire models load MODEL` has them fetch "
            "it again, and cancelling the migration's run gives it up",
        )
    idle_since = max(backlog.carried_out_at or backlog.oldest_at, backlog.oldest_at)
    if backlog.oldest_at + _WAITING > now or idle_since + _IDLE > now:
        return Finding(check=check, status="ok", detail=f"{count}, the first since {_ago(backlog.oldest_at, now)}")
    return Finding(
        check=check,
        status="warning",
        detail=f"{count}, the first since {_ago(backlog.oldest_at, now)}; none was carried out for "
        f"{_ago(idle_since, now)}",
        advice="embedders carry them out behind queries and new items: see what those wait for (`sightwire status`, "
        "`sightwire dlq list`, the embedders' logs), or start more embedders",
    )


def _dropping(shadow: str) -> str:
    return f"nobody removes it: `sightwire models drop-shadow {shadow}` does"


def _ago(moment: datetime, now: datetime) -> str:
    minutes = max(round((now - moment).total_seconds() / 60), 1)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // (24 * 60)} days"
