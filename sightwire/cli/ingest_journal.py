"""Remembers which records a platform has accepted, so that an interrupted ingest goes on where it stopped."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self


def default_journal_path(url: str, collection: str) -> Path:
    """The journal of a collection on a platform, in the user's state folder."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    place = hashlib.sha256(f"{url}\n{collection}".encode()).hexdigest()[:16]
    return state / "sightwire" / "ingest" / f"{collection}-{place}.journal"


class IngestJournal:
    """A file of one line for each accepted record: the collection's incarnation and the record's fingerprint.

    A line that was cut off by a crash matches nothing, so that its record is simply sent again, which changes nothing
    but its version. Entries of a collection that was deleted and created again do not count.
    """

    def __init__(self, path: Path, incarnation: str) -> None:
        self._path = path
        self._prefix = f"{incarnation} "
        path.parent.mkdir(parents=True, exist_ok=True)
        self._accepted = self._read()
        self._file = path.open("a", encoding="ascii")
        if not self._ends_with_newline():
            self._file.write("\n")

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._accepted

    def add(self, *fingerprints: str) -> None:
        """Note that the platform accepted records; the file has them when this returns."""
        self._accepted.update(fingerprints)
        self._file.write("".join(f"{self._prefix}{fingerprint}\n" for fingerprint in fingerprints))
        self._file.flush()

    def forget(self) -> None:
        """Begin anew."""
        self._accepted.clear()
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> set[str]:
        if not self._path.exists():
            return set()
        lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()
        return {line.removeprefix(self._prefix) for line in lines if line.startswith(self._prefix)}

    def _ends_with_newline(self) -> bool:
        content = self._path.read_bytes()
        return not content or content.endswith(b"\n")
