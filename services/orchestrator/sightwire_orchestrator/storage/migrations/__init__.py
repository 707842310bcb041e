"""Migrations of the orchestrator's database, by Alembic: `versions/` in order of their numbers."""
