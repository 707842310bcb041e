"""What the gateway thinks of what it sees of the platform; pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sightwire.contracts.control import Finding
from sightwire.contracts.events import IndexReady
from sightwire.errors import SightwireError

#: Loading a manifest takes a searcher so long at most, unless something is wrong.
LOADING_SECONDS: Final = 15.0
#: Of a stream that refuses messages when it is full.
_FULL_WARNING: Final = 0.7
_FULL_PROBLEM: Final = 0.95
#: Sockets of clients and services, with room.
_FEW_FILES: Final = 1024
_MEBIBYTE: Final = 1024 * 1024


def dead_letter_finding(messages: int) -> Finding:
    """Messages that could not be processed."""
    if messages == 0:
        return Finding(check="dead letters", status="ok", detail="none")
    return Finding(
        check="dead letters",
        status="warning",
        detail=f"{messages} message(s) could not be processed",
        advice="look at the reasons with `sightwire dlq list`; then replay or purge them",
    )


def embedder_finding(error: SightwireError | None, model: str) -> Finding:
    """Whether texts and pictures can be embedded."""
    if error is None:
        return Finding(check="embedder", status="ok", detail=f"serves {model}")
    return Finding(
        check="embedder",
        status="problem",
        detail=error.detail,
        advice="look at the embedder's log and /readyz; until it is back only words and vectors of one's own are found",
    )


def searcher_finding(ready: IndexReady | None, loaded: Mapping[str, int], now: datetime) -> Finding:
    """Whether every live searcher has the newest manifest of a collection.

    Args:
        ready: what the indexer announced last; None when it never committed.
        loaded: manifest version by searcher, 0 for none.
        now: the time.
    """
    if not loaded:
        return Finding(
            check="searchers",
            status="problem",
            detail="no searcher is alive",
            advice="start one, or look at its log and /readyz; until then no search is answered",
        )
    newest = ready.manifest_version if ready is not None else 0
    behind = {searcher: version for searcher, version in sorted(loaded.items()) if version < newest}
    if ready is None or not behind or (now - ready.committed_at).total_seconds() < LOADING_SECONDS:
        return Finding(check="searchers", status="ok", detail=f"{len(loaded)} alive, at manifest {newest}")
    which = ", ".join(f"{searcher} at {version}" for searcher, version in behind.items())
    age = (now - ready.committed_at).total_seconds()
    return Finding(
        check="searchers",
        status="warning",
        detail=f"the newest manifest is {newest}, committed {age:.0f} s ago, but: {which}",
        advice="look at the log and /readyz of those searchers: they answer from an older state until they have loaded",
    )


def fill_finding(stream: str, used_bytes: int, max_bytes: int) -> Finding:
    """How full a stream is that refuses messages when it is full."""
    share = used_bytes / max_bytes
    detail = f"{used_bytes / _MEBIBYTE:.0f} of {max_bytes / _MEBIBYTE:.0f} MiB ({share:.0%})"
    if share < _FULL_WARNING:
        return Finding(check=f"stream {stream}", status="ok", detail=detail)
    return Finding(
        check=f"stream {stream}",
        status="problem" if share >= _FULL_PROBLEM else "warning",
        detail=detail,
        advice="items come in faster than they are embedded; send fewer, or start more embedders",
    )


def open_files_finding(limit: int, is_unlimited: bool) -> Finding:
    """How many files and connections this process may have open."""
    detail = "unlimited" if is_unlimited else str(limit)
    if is_unlimited or limit >= _FEW_FILES:
        return Finding(check="open files of the gateway", status="ok", detail=detail)
    return Finding(
        check="open files of the gateway",
        status="warning",
        detail=f"at most {detail}",
        advice=f"raise the limit to {_FEW_FILES} or more (ulimit -n): each caller takes one",
    )


def unanswered_finding(check: str, error: Exception) -> Finding:
    """That something could not be looked at."""
    detail = error.detail if isinstance(error, SightwireError) else f"{type(error).__name__}: {error}"
    return Finding(
        check=check,
        status="problem",
        detail=f"could not be looked at: {detail}",
        advice="make sure that the bus and the service in question run, and look again",
    )
