"""Counts what becomes of runs and attempts, by the minute and by the hour, and tells it."""
