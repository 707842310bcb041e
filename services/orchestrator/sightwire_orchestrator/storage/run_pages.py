"""Lists of runs, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, or_, select

from sightwire.contracts.pipelines import PipelineRunState
from sightwire_orchestrator.storage.cursors import read_cursor, write_cursor
from sightwire_orchestrator.storage.tables import runs


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are listed; what is left out does not matter."""

    pipeline: str | None = None
    states: frozenset[PipelineRunState] = frozenset()
    started_from: datetime | None = None
    started_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list."""

    id: str
    pipeline: str
    version: str
    state: PipelineRunState
    sequence: int
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs; `next_cursor` asks for those that follow, None: there are none."""

    runs: tuple[RunSummary, ...]
    next_cursor: str | None


_COLUMNS = [column for column in runs.c if column.name != "document"]


def page_statement(wanted: RunFilter, limit: int, cursor: str | None) -> Select[Any]:
    """Selects `limit` runs, the newest first, and one more that tells whether others follow."""
    conditions = []
    if wanted.pipeline is not None:
        conditions.append(runs.c.pipeline == wanted.pipeline)
    if wanted.states:
        conditions.append(runs.c.state.in_(sorted(wanted.states)))
    if wanted.started_from is not None:
        conditions.append(runs.c.started_at >= wanted.started_from)
    if wanted.started_before is not None:
        conditions.append(runs.c.started_at < wanted.started_before)
    if cursor is not None:
        started_at, run = read_cursor(cursor)
        conditions.append(or_(runs.c.started_at < started_at, and_(runs.c.started_at == started_at, runs.c.id < run)))
    return select(*_COLUMNS).where(*conditions).order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit + 1)


def page_of(rows: Sequence[Row[Any]], limit: int) -> RunPage:
    """The page of what `page_statement` selected."""
    summaries = tuple(
        RunSummary(
            id=row.id,
            pipeline=row.pipeline,
            version=row.version,
            state=PipelineRunState(row.state),
            sequence=row.sequence,
            started_at=row.started_at,
            updated_at=row.updated_at,
            ended_at=row.ended_at,
        )
        for row in rows[:limit]
    )
    has_more = len(rows) > limit
    return RunPage(summaries, write_cursor(summaries[-1].started_at, summaries[-1].id) if has_more else None)
