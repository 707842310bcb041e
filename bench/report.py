"""What a benchmark prints: tables of figures in Markdown, with percentiles computed one way everywhere."""

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Cell = str | int | float
#: Shown where there is no figure.
NONE = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures under one title; `note` says what they mean and what was aimed at."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def markdown(self) -> str:
        """The table as Markdown; numbers are aligned right.

        Raises:
            ValueError: a figure is not finite, which no measurement that worked gives.
        """
        numeric = [all(_is_numeric(row[index]) for row in self.rows) for index in range(len(self.columns))]
        lines = [
            f"### {self.title}",
            "",
            _line(self.columns),
            _line(["--:" if is_numeric else "---" for is_numeric in numeric]),
            *(_line([_text(cell) for cell in row]) for row in self.rows),
        ]
        return "\n".join([*lines, "", self.note] if self.note else lines) + "\n"


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of some durations, in seconds."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Percentiles":
        """Raises ValueError without any durations."""
        if not seconds:
            raise ValueError("percentiles need at least one duration")
        p50, p90, p99 = (float(value) for value in np.percentile(np.asarray(seconds), [50, 90, 99]))
        return cls(p50, p90, p99)

    def milliseconds(self) -> list[float]:
        """p50, p90 and p99 in milliseconds."""
        return [self.p50 * 1e3, self.p90 * 1e3, self.p99 * 1e3]


def machine_line() -> str:
    """The machine in one line; figures mean nothing without it."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    busy = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, load average before the run {busy:.1f}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "processor unknown"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_numeric(cell: Cell) -> bool:
    return isinstance(cell, int | float) or cell == NONE


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if not math.isfinite(cell):
        raise ValueError(f"a figure is {cell!r}; the measurement failed")
    if isinstance(cell, int) or abs(cell) >= 1000:
        return f"{round(cell):,}"
    if abs(cell) >= 100:
        return f"{cell:.0f}"
    return f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}"
