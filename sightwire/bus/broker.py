"""The FastStream broker that a service consumes with."""

from faststream.nats import NatsBroker
from faststream.security import SASLPlaintext

from sightwire.bus.connection import server_list
from sightwire.settings import SharedSettings


def make_broker(settings: SharedSettings, *, name: str) -> NatsBroker:
    """The FastStream broker of a service, not yet connected; it reconnects for ever, as `Bus` does."""
    security = None
    if settings.nats_user is not None and settings.nats_password is not None:
        security = SASLPlaintext(
            username=settings.nats_user, password=settings.nats_password.get_secret_value(), use_ssl=False
        )
    return NatsBroker(
        server_list(settings),
        name=f"sightwire-{name}-consumer",
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        security=security,
        logger=None,
    )
