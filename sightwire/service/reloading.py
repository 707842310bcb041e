"""Settings that change while a service runs: the file is read again, checked as a whole, and then applied.

A service says what follows from new values by listeners::

    context.configuration.add_listener(lambda settings: cache.resize(settings.searcher_filter_cache_bytes))
"""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Generic, TypeVar

from prometheus_client import Gauge
from pydantic import BaseModel, ConfigDict

from sightwire.errors import ConfigurationError
from sightwire.settings import CONFIG_FILE_VARIABLE, SharedSettings, is_reloadable, load_settings

logger = logging.getLogger(__name__)

SettingsType = TypeVar("SettingsType", bound=SharedSettings)

_SUCCESSFUL = Gauge(
    "sightwire_config_last_reload_successful", "0 if the settings were read again and refused, and not since mended"
)
_SUCCESSFUL.set(1)


class SettingChange(BaseModel):
    """A setting whose value in the file is another one than that in force. Secrets show as asterisks."""

    model_config = ConfigDict(frozen=True)

    name: str
    before: str
    after: str


class ReloadOutcome(BaseModel):
    """What came of reading the settings again."""

    model_config = ConfigDict(frozen=True)

    applied: tuple[SettingChange, ...] = ()
    #: Changed in the file, but only taken when the service starts.
    needs_restart: tuple[SettingChange, ...] = ()


class Configuration(Generic[SettingsType]):
    """The settings in force."""

    def __init__(self, settings: SettingsType) -> None:
        self.settings = settings
        self._listeners: list[Callable[[SettingsType], None]] = []
        self._lock = asyncio.Lock()

    def add_listener(self, listener: Callable[[SettingsType], None]) -> None:
        """Calls `listener` with all settings whenever a reloadable one has changed. It must not fail."""
        self._listeners.append(listener)

    async def reload(self) -> ReloadOutcome:
        """Reads the file again and applies what changed of the reloadable settings.

        Raises:
            ConfigurationError: something in it is wrong: nothing was applied. The message names every key. Or there is
                no file.
        """
        if CONFIG_FILE_VARIABLE not in os.environ:
            raise ConfigurationError(
                f"there is no file to read again: start the service with {CONFIG_FILE_VARIABLE} naming one"
            )
        async with self._lock:
            try:
                outcome = await self._reload()
            except ConfigurationError as error:
                _SUCCESSFUL.set(0)
                logger.error("the new settings were refused", extra={"reason": error.detail})
                raise
            _SUCCESSFUL.set(1)
            logger.info(
                "settings were read again",
                extra={
                    "applied": [change.name for change in outcome.applied],
                    "needs_restart": [change.name for change in outcome.needs_restart],
                },
            )
            return outcome

    async def _reload(self) -> ReloadOutcome:
        fresh = await asyncio.to_thread(load_settings, type(self.settings))
        outcome = changes_between(self.settings, fresh)
        if outcome.applied:
            values = {change.name: getattr(fresh, change.name) for change in outcome.applied}
            self.settings = self.settings.model_copy(update=values)
            for listener in self._listeners:
                listener(self.settings)
        return outcome


def changes_between(present: SettingsType, fresh: SettingsType) -> ReloadOutcome:
    """What differs, by whether a running service can take it."""
    settings_class = type(present)
    applied: list[SettingChange] = []
    needs_restart: list[SettingChange] = []
    for name in settings_class.model_fields:
        before, after = getattr(present, name), getattr(fresh, name)
        if before != after:
            change = SettingChange(name=name, before=str(before), after=str(after))
            (applied if is_reloadable(settings_class, name) else needs_restart).append(change)
    return ReloadOutcome(applied=tuple(applied), needs_restart=tuple(needs_restart))
