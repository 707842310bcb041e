"""Search engines side by side: the same vectors, the same queries, the same recall, one machine.

`python -m bench.search.comparison` measures engines, each in a process of its own, and writes what it saw as JSON, as
tables, and as a plot. Servers take turns, libraries come one after the other. A run that was cut off is taken up with
`--resume`; engines that it measured are not measured again.
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.cache import cache_folder
from bench.report import machine_line
from bench.search.catalogue import ENGINES, EngineEntry
from bench.search.engine_process import EngineProcess
from bench.search.merge_cost import measure_merges
from bench.search.peers.installing import PACKAGES, NotAvailableError
from bench.search.results import Comparison, EngineResult, Machine, MergeCost
from bench.search.tables import tables
from bench.search.task import Matrix, enlarged, write_task
from bench.wordnet import read_corpus, read_questions
from bench.written_index import clustered_vectors

_REPOSITORY: Final = Path(__file__).parents[2]
_QUESTIONS: Final = 1_000
_INSERTS: Final = 5_000


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Compares search engines over the same vectors.")
    parser.add_argument("--quick", action="store_true", help="a few thousand vectors, no peers: shows that it works")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), help="default: all; without peers for --quick")
    parser.add_argument(
        "--sizes", type=_numbers, metavar="N,N", help="numbers of vectors; default: the whole corpus (117,659)"
    )
    parser.add_argument(
        "--merges", type=_numbers, default=[], metavar="N,N", help="numbers of items to measure the merges' cost for"
    )
    parser.add_argument("--resume", action="store_true", help="keep what the run before, cut off, has measured")
    parser.add_argument(
        "--results", type=Path, metavar="FILE.json", help="write results here, FILE.md and FILE.svg beside it"
    )
    parser.add_argument(
        "--redraw", action="store_true", help="measure nothing, draw the --results that are there again"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to this file too")
    arguments = parser.parse_args()
    if arguments.redraw:
        if arguments.results is None:
            parser.error("--redraw needs --results FILE.json")
        _draw(arguments.results)
        return
    names = arguments.engines or [name for name, entry in ENGINES.items() if not (arguments.quick and entry.is_peer)]
    engines = [ENGINES[name] for name in names]
    with tempfile.TemporaryDirectory(prefix="sightwire-bench-") as temporary:
        # A quick run is nobody's business afterwards.
        folder = Path(temporary) / "run" if arguments.quick else cache_folder("runs") / _run_name(arguments.sizes)
        if not arguments.resume:
            shutil.rmtree(folder, ignore_errors=True)
        comparison = _compare(folder, engines, arguments.sizes, arguments.merges, quick=arguments.quick)
    text = "\n".join(table.markdown() for table in tables(comparison))
    print(f"Machine: {comparison.machine}.\n\n{text}")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")
    if arguments.results:
        comparison.write(arguments.results)
        _draw(arguments.results)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _run_name(sizes: Sequence[int] | None) -> str:
    return "-".join(map(str, sizes)) if sizes else "whole"


def _compare(
    folder: Path, engines: Sequence[EngineEntry], sizes: Sequence[int] | None, merges: Sequence[int], *, quick: bool
) -> Comparison:
    machine = machine_line()
    name, vectors, queries = _small_corpus() if quick else _wordnet()
    results: list[EngineResult] = []
    for size in sizes or [len(vectors)]:
        folder_of_size = folder / str(size)
        task_folder = folder_of_size / "task"
        if not all(_result_file(folder_of_size, entry).exists() for entry in engines):
            shutil.rmtree(task_folder, ignore_errors=True)
            inserts = min(_INSERTS, size // 10)
            write_task(task_folder, name, enlarged(vectors, size), queries, inserts=inserts)
        of_size: dict[str, EngineResult] = {}
        for group in _groups(engines):
            of_size |= _measured(group, folder_of_size, size, queries.shape[1], quick=quick)
        results += [of_size[entry.name] for entry in engines]
        # A million vectors are not worth keeping, as they are quick to make.
        shutil.rmtree(task_folder, ignore_errors=True)
    costs = [_merge_cost(folder, enlarged(vectors, items)) for items in merges]
    return Comparison(task=name, machine=machine, quick=quick, engines=tuple(results), merges=tuple(costs))


def _small_corpus() -> tuple[str, Matrix, Matrix]:
    vectors = clustered_vectors(6_000, 64, clusters=50, seed=1)
    return "clustered", vectors, clustered_vectors(50, 64, clusters=50, seed=2)


def _wordnet() -> tuple[str, Matrix, Matrix]:
    corpus = read_corpus()
    return "WordNet definitions", corpus.vectors, read_questions(corpus.synsets, _QUESTIONS).vectors


def _groups(engines: Sequence[EngineEntry]) -> list[list[EngineEntry]]:
    """Servers and what they are held against take turns; libraries, which are further apart, come one by one."""
    taking_turns = [entry for entry in engines if entry.kind != "library"]
    alone = [[entry] for entry in engines if entry.kind == "library"]
    return [taking_turns, *alone] if taking_turns else alone


def _measured(
    engines: Sequence[EngineEntry], folder: Path, vectors: int, dimension: int, *, quick: bool
) -> dict[str, EngineResult]:
    """By engine: the result of the run before, a new one, or one that says why there is none."""
    before = Machine.now()
    running: list[EngineProcess] = []
    failures: dict[str, EngineResult] = {}

    def failed(entry: EngineEntry, error: NotAvailableError) -> None:
        print(f"{entry.label} is not measured: {error}", file=sys.stderr, flush=True)
        # Not written: a run that is taken up tries again.
        failures[entry.name] = EngineResult(
            engine=entry.name,
            label=entry.label,
            kind=entry.kind,
            vectors=vectors,
            dimension=dimension,
            before=before,
            after=Machine.now(),
            failure=str(error),
        )

    def goes_on(process: EngineProcess) -> bool:
        try:
            return process.wants_turn()
        except NotAvailableError as error:
            failed(process.entry, error)
            return False

    try:
        for entry in engines:
            path = _result_file(folder, entry)
            known = ": measured before" if path.exists() else " …"
            print(f"{entry.label}, {vectors:,} vectors{known}", file=sys.stderr, flush=True)
            if path.exists():
                continue
            try:
                process = EngineProcess(entry, folder / "task", path, vectors, quick=quick)
            except NotAvailableError as error:
                failed(entry, error)
                continue
            running.append(process)
            if not goes_on(process):
                running.remove(process)
        while running:
            for process in list(running):
                process.take_turn()
                if not goes_on(process):
                    running.remove(process)
    finally:
        for process in running:
            process.stop()
    return {
        entry.name: failures.get(entry.name)
        or EngineResult.model_validate_json(_result_file(folder, entry).read_text(encoding="utf-8"))
        for entry in engines
    }


def _result_file(folder: Path, entry: EngineEntry) -> Path:
    return folder / f"{entry.name}.json"


def _merge_cost(folder: Path, vectors: Matrix) -> MergeCost:
    path = folder / f"merges-{len(vectors)}.json"
    if path.exists():
        return MergeCost.model_validate_json(path.read_text(encoding="utf-8"))
    print(f"merges of {len(vectors):,} items …", file=sys.stderr, flush=True)
    cost = asyncio.run(measure_merges(vectors))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(cost.model_dump_json(), encoding="utf-8")
    return cost


def _draw(results: Path) -> None:
    python = PACKAGES.installed() / "bin/python"
    subprocess.run([python, "-m", "bench.search.drawing", results.resolve()], cwd=_REPOSITORY, check=True)


if __name__ == "__main__":
    main()
