"""Commands that `sightwire` gets with the orchestrator."""
