"""Starts the gateway: `python -m sightwire_gateway`."""

from sightwire.service.runner import run_service
from sightwire_gateway.app import run
from sightwire_gateway.settings import GatewaySettings


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    # The operations endpoints are among the gateway's own routes.
    run_service("gateway", GatewaySettings, run, with_operations=False)


if __name__ == "__main__":
    main()
