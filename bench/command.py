"""The command line that every benchmark has."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Table, machine_line

Measure = Callable[[bool], Awaitable[Sequence[Table]]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: `measure(quick)` gives its tables; quick means small enough to show only that it works."""

    name: str
    measure: Measure


def main(*benchmarks: Benchmark) -> None:
    """Runs the benchmarks one after the other and prints their tables as they come."""
    parser = argparse.ArgumentParser(description="Measures the platform against baselines of the same run.")
    parser.add_argument(
        "--quick", action="store_true", help="a run of seconds: shows that it works, its figures say little"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write what is printed to this file too")
    parser.add_argument("--only", nargs="*", metavar="NAME", help=f"of {', '.join(each.name for each in benchmarks)}")
    arguments = parser.parse_args()
    unknown = set(arguments.only or ()) - {benchmark.name for benchmark in benchmarks}
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    printed = _Printed()
    printed.add(f"Machine: {machine_line()}.\n")
    for benchmark in benchmarks:
        if arguments.only and benchmark.name not in arguments.only:
            continue
        started = time.monotonic()
        print(f"{benchmark.name} …", file=sys.stderr, flush=True)
        tables = asyncio.run(_measure(benchmark, arguments.quick))
        options = " --quick" if arguments.quick else ""
        printed.add(f"## `python -m bench.{benchmark.name}{options}` ({time.monotonic() - started:.0f} s)\n")
        for table in tables:
            printed.add(table.markdown())
    if arguments.markdown:
        arguments.markdown.write_text(printed.text, encoding="utf-8")


async def _measure(benchmark: Benchmark, quick: bool) -> Sequence[Table]:
    return await benchmark.measure(quick)


class _Printed:
    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        print(text, flush=True)
        self.text += text + "\n"
