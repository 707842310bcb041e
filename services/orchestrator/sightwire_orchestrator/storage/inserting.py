"""Inserts that leave present rows as they are."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


async def insert_unless_present(connection: AsyncConnection, table: Table, row: Mapping[str, Any]) -> bool:
    """Whether `row` was inserted; False when one of the same primary key is there, which stays."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing(index_elements=table.primary_key.columns)
    return (await connection.execute(statement)).rowcount == 1
