"""Answers what gateway and command line ask of the orchestrator."""
