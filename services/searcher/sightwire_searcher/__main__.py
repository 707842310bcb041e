"""Starts the searcher: `python -m sightwire_searcher`."""

from sightwire.service.runner import run_service
from sightwire_searcher.app import run
from sightwire_searcher.settings import SearcherSettings


def main() -> None:
    """Runs the service until it is told to stop."""
    run_service("searcher", SearcherSettings, run)


if __name__ == "__main__":
    main()
