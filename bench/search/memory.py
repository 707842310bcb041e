"""Memory of another process, as Linux tells it."""

from pathlib import Path


def resident_bytes(process_id: int) -> int:
    """What of a process is in memory now, files that it has mapped included."""
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {process_id} has no VmRSS: it has ended")
