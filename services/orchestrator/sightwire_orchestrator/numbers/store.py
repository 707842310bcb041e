"""Samples in the database: added to what is there, read by time, deleted when they are old."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from sightwire_orchestrator.numbers.durations import Durations
from sightwire_orchestrator.numbers.samples import Interval, Sample
from sightwire_orchestrator.numbers.tables import execution_metrics
from sightwire_orchestrator.storage.database import Database

_COLUMNS = execution_metrics.c


class SampleStore:
    """Raises UnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, samples: Mapping[Interval, Sample]) -> None:
        """Adds samples to those of the same intervals."""
        await self._database.transact(partial(_add, samples=samples))

    async def read(
        self, since: datetime, until: datetime, *, seconds: int, pipeline: str | None = None
    ) -> dict[Interval, Sample]:
        """Samples of intervals that begin from `since` on and before `until`.

        Args:
            seconds: length of the intervals.
            pipeline: only of this one; None: of all.
        """
        statement = select(execution_metrics).where(
            _COLUMNS.seconds == seconds, _COLUMNS.at >= since, _COLUMNS.at < until
        )
        if pipeline is not None:
            statement = statement.where(_COLUMNS.pipeline == pipeline)
        async with self._database.session(read_only=True) as connection:
            rows = await connection.execute(statement.order_by(_COLUMNS.at))
            return {Interval(row.pipeline, row.task, row.seconds, row.at): _sample(row) for row in rows}

    async def delete_before(self, before: datetime, *, seconds: int) -> None:
        """Deletes samples of intervals of a length that began before a time."""
        statement = execution_metrics.delete().where(_COLUMNS.seconds == seconds, _COLUMNS.at < before)
        async with self._database.session() as connection:
            await connection.execute(statement)


def _add(connection: Connection, samples: Mapping[Interval, Sample]) -> None:
    for interval, sample in samples.items():
        own = (
            _COLUMNS.pipeline == interval.pipeline,
            _COLUMNS.task == interval.task,
            _COLUMNS.seconds == interval.seconds,
            _COLUMNS.at == interval.at,
        )
        present = connection.execute(select(execution_metrics).where(*own)).one_or_none()
        if present is None:
            key = {"pipeline": interval.pipeline, "task": interval.task, "seconds": interval.seconds, "at": interval.at}
            connection.execute(execution_metrics.insert().values(**key, **_values(sample)))
        else:
            connection.execute(execution_metrics.update().where(*own).values(**_values(_sample(present) + sample)))


def _values(sample: Sample) -> dict[str, Any]:
    durations = sample.durations
    return {
        "succeeded": sample.succeeded,
        "failed": sample.failed,
        "cancelled": sample.cancelled,
        "durations": durations.count,
        "total": durations.total,
        "least": durations.least,
        "most": durations.most,
        "buckets": json.dumps({str(bucket): count for bucket, count in durations.buckets.items()}),
    }


def _sample(row: Row[Any]) -> Sample:
    buckets = {int(bucket): count for bucket, count in json.loads(row.buckets).items()}
    return Sample(
        row.succeeded,
        row.failed,
        row.cancelled,
        Durations(row.durations, row.total, row.least, row.most, buckets),
    )
