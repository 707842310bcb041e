"""Lists of runs, page by page."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, or_, select

from sightwire.contracts.pipelines import PipelineRunState
from sightwire.errors import InvalidInputError
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
        started_at, run = _read_cursor(cursor)
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
    return RunPage(summaries, _cursor_after(summaries[-1]) if len(rows) > limit else None)


def _cursor_after(last: RunSummary) -> str:
    return base64.urlsafe_b64encode(f"{last.started_at.isoformat()} {last.id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        started_at, run = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        moment = datetime.fromisoformat(started_at)
    except (binascii.Error, ValueError):
        raise InvalidInputError(f"cursor {cursor!r} is none that a page of runs had") from None
    if moment.tzinfo is None:
        raise InvalidInputError(f"cursor {cursor!r} is none that a page of runs had")
    return moment, run
