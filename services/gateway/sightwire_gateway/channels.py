"""gRPC channels to the embedder and the searcher: keepalive, retries while a service restarts, several addresses."""

import json
from typing import Any, Final

import grpc.aio

from sightwire.errors import ConfigurationError
from sightwire.telemetry.grpc import client_interceptors

_MEBIBYTE: Final = 1024 * 1024
#: Pictures to the embedder, a thousand documents from the searcher.
_MAX_MESSAGE_BYTES: Final = 128 * _MEBIBYTE

_SERVICE_CONFIG: Final[dict[str, Any]] = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            # Every call is a read. A restarting service is back within a second or so.
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}


def open_channel(addresses: str) -> grpc.aio.Channel:
    """A channel to one service; several replicas take turns.

    Args:
        addresses: `host:port`, or several of them separated by commas (IP addresses then).
    """
    return grpc.aio.insecure_channel(
        target_of(addresses),
        options=[
            ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
            ("grpc.enable_retries", 1),
            # Only while calls wait: servers take more frequent pings for an attack.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            # A proxy of the environment has no business between the platform's services.
            ("grpc.enable_http_proxy", 0),
        ],
        interceptors=client_interceptors(),
    )


def target_of(addresses: str) -> str:
    """gRPC's name for one or several addresses.

    Raises:
        ConfigurationError: no address, or several of which one is a name.
    """
    parts = [part.strip() for part in addresses.split(",") if part.strip()]
    if not parts:
        raise ConfigurationError(f"expected an address such as 127.0.0.1:8203, got {addresses!r}")
    if len(parts) == 1:
        return parts[0]
    if any(part.startswith("[") for part in parts):
        return f"ipv6:{','.join(parts)}"
    if any(not part.rpartition(":")[0].replace(".", "").isdigit() for part in parts):
        raise ConfigurationError(f"several addresses must be IP addresses with ports, got {addresses!r}")
    return f"ipv4:{','.join(parts)}"
