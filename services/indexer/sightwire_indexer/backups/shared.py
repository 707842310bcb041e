"""What all collections of an indexer share for their backups."""

from dataclasses import dataclass

from sightwire.bus.connection import Bus
from sightwire_indexer.backups.locking import BackupLocks
from sightwire_indexer.backups.options import BackupOptions
from sightwire_indexer.backups.store import BackupStore, open_backup_store


@dataclass(slots=True)
class Backups:
    """The backup store, who may write to it now, and the settings."""

    store: BackupStore
    locks: BackupLocks
    #: Replaced when the settings change.
    options: BackupOptions


def open_backups(options: BackupOptions, bus: Bus) -> Backups:
    """Opens the backup store.

    Raises:
        ConfigurationError: a recipient or the identity file cannot be used.
    """
    return Backups(open_backup_store(options), BackupLocks(bus), options)
