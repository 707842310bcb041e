"""What the settings say about backups."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sightwire.contracts.backups import BackupRetention


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """Where backups are, how they are encrypted, and how long they stay."""

    #: Folder or `s3://bucket/prefix`.
    url: str
    #: Folder of this machine for one file at a time, compressed or not.
    spool: Path
    #: Public age keys (`age1…`) for which backups are encrypted; none: they are not.
    recipients: tuple[str, ...] = ()
    #: File with the age identities (`AGE-SECRET-KEY-1…`) that read encrypted backups.
    identity_file: Path | None = None
    #: Neither limit: backups stay until somebody prunes them.
    retention: BackupRetention = field(default_factory=BackupRetention)
    #: Age from which files that no backup refers to are removed.
    orphan_age: timedelta = timedelta(hours=1)
    #: zstd's, from 1 (quick) to 19 (small).
    compression_level: int = 3
