"""A real local blob store whose process "dies" at a chosen operation."""

from pathlib import Path

from obstore.store import LocalStore

from sightwire.blobs.store import BlobStore


class SimulatedCrashError(BaseException):
    """Nothing in the code under test may handle it: a process that was killed handles nothing."""


class CrashingBlobStore(BlobStore):
    """Counts changes of the store; `crash_after(n)` lets n more happen and ends the process at the next one.

    With `lose_answer` that next one still reaches the store, only its caller never learns of it.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        super().__init__(LocalStore(prefix=root), root=root)
        self._remaining: int | None = None
        self._lose_answer = False

    def crash_after(self, changes: int, *, lose_answer: bool = False) -> None:
        self._remaining = changes
        self._lose_answer = lose_answer

    def disarm(self) -> bool:
        """Whether the crash was still ahead."""
        was_armed = self._remaining is not None
        self._remaining = None
        return was_armed

    async def put(self, key: str, data: bytes | Path) -> None:
        if self._crash_is_due():
            if self._lose_answer:
                await super().put(key, data)
            raise SimulatedCrashError(f"put {key}")
        await super().put(key, data)

    async def create(self, key: str, data: bytes | Path) -> None:
        if self._crash_is_due():
            if self._lose_answer:
                await super().create(key, data)
            raise SimulatedCrashError(f"create {key}")
        await super().create(key, data)

    async def delete(self, keys: list[str]) -> None:
        if self._crash_is_due():
            await super().delete(keys[: len(keys) // 2])
            raise SimulatedCrashError("delete")
        await super().delete(keys)

    def _crash_is_due(self) -> bool:
        if self._remaining is None:
            return False
        if self._remaining == 0:
            self._remaining = None
            return True
        self._remaining -= 1
        return False
