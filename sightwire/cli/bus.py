"""The bus, for commands that speak to NATS directly."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sightwire.errors import ConfigurationError

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.settings import SharedSettings

#: For the help of such commands.
ACCESS: Final = (
    "Speaks to NATS directly: with the credentials of the data directory, or SIGHTWIRE_NATS_URL, SIGHTWIRE_NATS_USER "
    "and SIGHTWIRE_NATS_PASSWORD."
)

Result = TypeVar("Result")


def with_bus(data_dir: Path, act: "Callable[[Bus], Awaitable[Result]]") -> Result:
    """What `act` returns, given the bus of the platform on `data_dir`, or of SIGHTWIRE_NATS_URL.

    Raises:
        ConfigurationError: no platform runs there.
    """
    from sightwire.bus.connection import Bus

    async def connected() -> Result:
        async with Bus(_bus_settings(data_dir), name="cli") as bus:
            return await act(bus)

    return asyncio.run(connected())


def find_bus_settings(data_dir: Path) -> "SharedSettings | None":
    """How to reach the bus of the platform on `data_dir`, or that of SIGHTWIRE_NATS_URL; None: no platform runs there.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    from sightwire.platform.data_directory import DataDirectory
    from sightwire.platform.nats_server import read_nats_access
    from sightwire.settings import SharedSettings, load_settings

    if os.environ.get("SIGHTWIRE_NATS_URL"):
        return load_settings(SharedSettings)
    access = read_nats_access(data_dir)
    if access is None or not DataDirectory(data_dir).is_in_use:
        return None
    return SharedSettings.model_validate(
        {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    )


def _bus_settings(data_dir: Path) -> "SharedSettings":
    settings = find_bus_settings(data_dir)
    if settings is None:
        raise ConfigurationError(
            f"no platform runs on {data_dir.absolute()}; start it with `sightwire up --data-dir {data_dir}`, "
            f"or name another bus with SIGHTWIRE_NATS_URL"
        )
    return settings
