"""Starts the trainer: `python -m sightwire_trainer`."""

from sightwire.service.runner import run_service
from sightwire_trainer.app import run
from sightwire_trainer.settings import TrainerSettings


def main() -> None:
    """Runs the service until it is told to stop."""
    run_service("trainer", TrainerSettings, run)


if __name__ == "__main__":
    main()
