"""Starts the orchestrator: `python -m sightwire_orchestrator`."""

from sightwire.service.runner import run_service
from sightwire_orchestrator.app import run
from sightwire_orchestrator.settings import OrchestratorSettings


def main() -> None:
    """Runs the service until it is told to stop."""
    run_service("orchestrator", OrchestratorSettings, run)


if __name__ == "__main__":
    main()
