"""What the orchestrator costs: tasks a second, overhead per task, against a bare work queue on the same bus."""
