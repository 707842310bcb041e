"""Measures how long a model takes for each batch size, once per bundle, machine and thread setting."""

import hashlib
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
#: A model is measured for about so long.
MEASURED_SECONDS = 0.8
_LEAST_ROUNDS = 2
#: Named in the cache's key, so that a better way of measuring measures again.
_METHOD = "fastest call, own thread's time"

Latencies = dict[int, float]


def measure_latencies(
    call: Callable[[int], object],
    *,
    sizes: Iterable[int] = BATCH_SIZES,
    max_call_seconds: float = 0.1,
    clock: Callable[[], float],
    measured_seconds: float = MEASURED_SECONDS,
) -> Latencies:
    """Seconds of the fastest of some calls for each batch size, in ascending order; `call(size)` runs one.

    `clock` tells what a call costs: `time.thread_time` where a call computes in its own thread, since a platform that
    starts keeps the machine busy and a first start is when this is measured; else `time.perf_counter`. The fastest
    call is the one that was disturbed least. Sizes beyond the first that takes longer than `max_call_seconds` are not
    tried: no policy would choose them.
    """
    give_up_at = time.monotonic() + measured_seconds
    latencies: Latencies = {}
    for size in sizes:
        call(size)  # the first call at a size allocates memory
        latencies[size] = _seconds_of(call, size, clock)
        if latencies[size] > max_call_seconds:
            break
    # In rounds over all sizes, so that a disturbance does not meet all the calls of one size.
    rounds = 1
    while rounds < _LEAST_ROUNDS or time.monotonic() < give_up_at:
        for size, fastest in latencies.items():
            latencies[size] = min(fastest, _seconds_of(call, size, clock))
        rounds += 1
    return latencies


def _seconds_of(call: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    started_at = clock()
    call(size)
    return clock() - started_at


class CalibrationCache:
    """Measured latencies in one JSON file per bundle and machine, so that only the first start pays for measuring."""

    def __init__(self, folder: Path, key_parts: Iterable[str]) -> None:
        """`key_parts` name all that the latencies depend on besides the machine: files, engine, threads."""
        digest = hashlib.sha256("\n".join([*key_parts, *machine_parts()]).encode()).hexdigest()
        self._path = folder / f"{digest[:32]}.json"

    def load(self) -> Mapping[str, Latencies] | None:
        """Latencies by model, None when they were not measured yet (or the file is damaged)."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                model: {int(size): float(seconds) for size, seconds in latencies.items()}
                for model, latencies in stored.items()
            }
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError) as error:
            logger.warning(
                "measuring again: unreadable calibration", extra={"path": str(self._path), "error": str(error)}
            )
            return None

    def store(self, latencies: Mapping[str, Latencies]) -> None:
        """Keeps the latencies. A folder that cannot be written costs the next start a measurement, nothing else."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._path.parent, suffix=".partial", delete=False
            ) as file:
                json.dump(latencies, file, indent=1)
            Path(file.name).replace(self._path)
        except OSError as error:
            logger.warning("cannot keep the calibration", extra={"path": str(self._path), "error": str(error)})


def machine_parts() -> list[str]:
    """What tells this machine's speed from another's: processor and number of cores."""
    return [_METHOD, platform.machine(), _processor_name(), str(os.cpu_count())]


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
