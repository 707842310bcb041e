"""Benchmarks run from end to end and print finite figures. What the figures are is nobody's business here."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
#: Title of a table that each benchmark must print.
TABLES = {
    "durability": "stored by the bus, per second",
    "ingest": "Pictures, per second",
    "search.comparison": "100% may be found",
    "search.index_types": "must be in memory",
    "search_layers": "Queries a second through gRPC",
    "freshness": "From acknowledged to searchable",
    "merging": "Queries meanwhile",
    "migration": "too many",
    "pipelines": "Empty tasks, per second",
    "small_memory": "same answers",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TABLES)
async def test_it_prints_finite_figures(name: str, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"bench.{name}", "--quick", "--markdown", str(report)),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    text = report.read_text(encoding="utf-8")
    assert TABLES[name] in text
    figures = re.findall(r"\| (-?[\d,.]+) (?=\|)", text)
    assert figures, text
    assert not re.search(r"\b(nan|inf)\b", text)
