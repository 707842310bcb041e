"""Starts the embedder: `python -m sightwire_embedder`."""

from sightwire.service.runner import run_service
from sightwire_embedder.app import run
from sightwire_embedder.settings import EmbedderSettings


def main() -> None:
    """Runs the service until it is told to stop."""
    run_service("embedder", EmbedderSettings, run)


if __name__ == "__main__":
    main()
