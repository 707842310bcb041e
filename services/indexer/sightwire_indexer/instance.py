"""Who this indexer is: an identity that outlives its process, and that no two processes have at once."""

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sightwire.errors import ConfigurationError


@contextmanager
def claimed_identity(work_dir: Path) -> Iterator[str]:
    """The identity kept in `work_dir`, made at the first start; the folder is locked for as long as the block runs.

    An indexer that was killed and started again is the same one, so that it gets its leases back at once instead of
    waiting for their end.

    Raises:
        ConfigurationError: another process uses the folder.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / "identity").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"another indexer uses {work_dir}; give each its own SIGHTWIRE_INDEXER_WORK_DIR"
            ) from None
        file.seek(0)
        identity = file.read().strip()
        if not identity:
            identity = f"indexer-{uuid.uuid4().hex}"
            file.truncate(0)
            file.write(identity)
            file.flush()
        yield identity
