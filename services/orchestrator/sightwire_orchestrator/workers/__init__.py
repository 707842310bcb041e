"""Carries tasks out that the orchestrator orders."""
