"""Rules in the database, how they stand, and what became of them."""

from datetime import datetime

from sqlalchemy import Row, select

from sightwire.contracts.alerts import AlertEvent, AlertReport, AlertRule, AlertStanding
from sightwire.errors import NotFoundError
from sightwire_orchestrator.alerts.tables import alert_events, alert_rules
from sightwire_orchestrator.storage.database import Database


class AlertStore:
    """Raises UnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rules(self) -> list[AlertReport]:
        """All rules, by name."""
        async with self._database.session(read_only=True) as connection:
            rows = await connection.execute(select(alert_rules).order_by(alert_rules.c.name))
            return [_report(row) for row in rows]

    async def get(self, name: str) -> AlertReport:
        """A rule.

        Raises:
            NotFoundError: there is none of that name.
        """
        async with self._database.session(read_only=True) as connection:
            statement = select(alert_rules).where(alert_rules.c.name == name)
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no alert rule {name!r}")
        return _report(row)

    async def put(self, rule: AlertRule) -> AlertReport:
        """Stores a rule in place of the one of its name, as if it had never fired."""
        standing = AlertStanding()
        async with self._database.session() as connection:
            await connection.execute(alert_rules.delete().where(alert_rules.c.name == rule.name))
            values = {"document": rule.model_dump_json(), "standing": standing.model_dump_json()}
            await connection.execute(alert_rules.insert().values(name=rule.name, **values))
        return AlertReport(rule=rule, standing=standing)

    async def delete(self, name: str) -> AlertReport:
        """Deletes a rule, and returns what it was.

        Raises:
            NotFoundError: there is none of that name.
        """
        report = await self.get(name)
        async with self._database.session() as connection:
            await connection.execute(alert_rules.delete().where(alert_rules.c.name == name))
        return report

    async def stand(self, rule: AlertRule, standing: AlertStanding, event: AlertEvent | None = None) -> None:
        """Stores how a rule stands, and what happened to it, both or neither, unless it was deleted meanwhile."""
        async with self._database.session() as connection:
            statement = alert_rules.update().where(alert_rules.c.name == rule.name)
            stored = await connection.execute(statement.values(standing=standing.model_dump_json()))
            if event is not None and stored.rowcount:
                await connection.execute(
                    alert_events.insert().values(
                        id=event.id,
                        rule=event.rule,
                        at=event.at,
                        settled_at=event.at if event.is_silenced else None,
                        document=event.model_dump_json(),
                    )
                )

    async def history(self, name: str | None, limit: int) -> list[AlertEvent]:
        """The last events, of one rule or of all, the newest first."""
        statement = select(alert_events.c.document).order_by(alert_events.c.at.desc(), alert_events.c.id).limit(limit)
        if name is not None:
            statement = statement.where(alert_events.c.rule == name)
        async with self._database.session(read_only=True) as connection:
            return [AlertEvent.model_validate_json(document) for document in await connection.scalars(statement)]

    async def untold(self, limit: int) -> list[AlertEvent]:
        """The oldest events that nobody was told of and somebody is to be."""
        statement = select(alert_events.c.document).where(alert_events.c.settled_at.is_(None))
        async with self._database.session(read_only=True) as connection:
            documents = await connection.scalars(statement.order_by(alert_events.c.at).limit(limit))
            return [AlertEvent.model_validate_json(document) for document in documents]

    async def settle(self, event: AlertEvent, now: datetime) -> None:
        """The event was told, or is given up."""
        async with self._database.session() as connection:
            statement = alert_events.update().where(alert_events.c.id == event.id)
            await connection.execute(statement.values(settled_at=now))

    async def delete_before(self, before: datetime) -> None:
        """Deletes what happened before a time."""
        async with self._database.session() as connection:
            await connection.execute(alert_events.delete().where(alert_events.c.at < before))


def _report(row: Row[tuple[str, str, str]]) -> AlertReport:
    return AlertReport(
        rule=AlertRule.model_validate_json(row.document), standing=AlertStanding.model_validate_json(row.standing)
    )
