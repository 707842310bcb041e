"""Where the parts of backups lie in the backup store.

`v1/<collection>/<uid>/backups/<backup>/backup.json` describes a backup, `v1/<collection>/<uid>/files/` holds what the
backups of this incarnation of the collection share. A file's name there says what is in it:
`<sha256>.<sha256 as stored>.zst`, or with `.<key>.age` at the end if it is encrypted. So what an interrupted backup
has left is found and used by the next one.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ROOT: Final = "v1"
MANIFEST_FILE: Final = "backup.json"
_FILE_NAME: Final = re.compile(r"^([0-9a-f]{64})\.([0-9a-f]{64})\.zst(?:\.([0-9a-f]{16})\.age)?$")


@dataclass(frozen=True, slots=True)
class BackupLayout:
    """Keys of the backups of one incarnation of a collection."""

    collection: str
    uid: str

    @property
    def prefix(self) -> str:
        return f"{ROOT}/{self.collection}/{self.uid}"

    @property
    def backups_prefix(self) -> str:
        return f"{self.prefix}/backups"

    def manifest_key(self, backup: str) -> str:
        """The description of a backup; a backup exists if this does."""
        return f"{self.backups_prefix}/{backup}/{MANIFEST_FILE}"

    @property
    def files_prefix(self) -> str:
        return f"{self.prefix}/files"

    def file_key(self, name: "FileName") -> str:
        return f"{self.files_prefix}/{name}"


@dataclass(frozen=True, slots=True)
class FileName:
    """Name of a stored file."""

    #: Of its content.
    sha256: str
    #: Of its bytes as they are stored.
    stored_sha256: str
    #: `key_of_recipients` of those who can read it; None if it is not encrypted.
    encrypted_for: str | None = None

    def __str__(self) -> str:
        name = f"{self.sha256}.{self.stored_sha256}.zst"
        return name if self.encrypted_for is None else f"{name}.{self.encrypted_for}.age"


def parse_file_name(name: str) -> FileName | None:
    """What a stored file is; None for a name of another kind."""
    match = _FILE_NAME.match(name)
    return None if match is None else FileName(match[1], match[2], match[3])


def key_of_recipients(recipients: Sequence[str]) -> str | None:
    """Tells encryption for some recipients from that for others; None without any."""
    if not recipients:
        return None
    return hashlib.sha256("\n".join(sorted(recipients)).encode()).hexdigest()[:16]
