"""Starts the indexer: `python -m sightwire_indexer`."""

from sightwire.service.runner import run_service
from sightwire_indexer.app import run
from sightwire_indexer.settings import IndexerSettings


def main() -> None:
    """Runs the service until it is told to stop."""
    run_service("indexer", IndexerSettings, run)


if __name__ == "__main__":
    main()
