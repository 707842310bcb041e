"""Fixtures and helpers that every test of the repository may use; loaded by the root conftest.py."""
