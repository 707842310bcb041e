"""The process that builds one segment: takes a pickled `MergeTask` from stdin, and says on stdout what failed."""

import os
import pickle
import sys
from typing import Final

from sightwire.platform.parent_death import end_with_parent

#: Less than merges, which keep searches quick.
_NICE: Final = 15


def main() -> None:
    """Runs the task; the exit status is 0 when the segment is complete."""
    end_with_parent(int(sys.argv[1]))
    os.nice(_NICE)
    _build()


def _build() -> None:
    # Importing these takes most of a second of CPU time, which must not get in the way of queries either.
    from sightwire.contracts.control import ControlReply
    from sightwire.errors import SightwireError
    from sightwire.segments.merge_task import run_merge

    task = pickle.load(sys.stdin.buffer)  # noqa: S301  from the parent
    try:
        run_merge(task)
    except SightwireError as error:
        sys.stdout.write(ControlReply(error_code=error.code, error=error.detail).model_dump_json())
        sys.exit(1)


if __name__ == "__main__":
    main()
