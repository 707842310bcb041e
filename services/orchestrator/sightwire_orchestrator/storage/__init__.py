"""What the orchestrator remembers, in SQL: SQLite by default, PostgreSQL by setting."""
