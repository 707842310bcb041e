"""Vectors of the user's own through the command: arrays, Parquet and JSON lines, two fields, found by vector."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sightwire.client import AsyncSightwire
from sightwire.platform.running_platform import RunningPlatform
from tests.plugin.warm_command import run_sightwire

FIELDS = {"title": {"dimension": 8}, "body": {"dimension": 4, "metric": "dot"}}
ROWS = 30


class Papers:
    """Rows of two random vectors each."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.title = random.standard_normal((ROWS, 8)).astype(np.float32)
        self.body = random.standard_normal((ROWS, 4)).astype(np.float32)


async def ingest(platform: RunningPlatform, state: Path, *arguments: object, fails: bool = False) -> str:
    """What `sightwire ingest --wait --json` prints."""
    command = ("ingest", *map(str, arguments), "--wait", "--json")
    exit_status, printed = await run_sightwire(*command, SIGHTWIRE_URL=platform.gateway_url, XDG_STATE_HOME=str(state))
    assert exit_status == int(fails), printed
    return printed


def write_arrays(folder: Path, papers: Papers) -> tuple[object, ...]:
    np.save(folder / "title.npy", papers.title.astype(np.float64))
    np.save(folder / "vectors.npy", papers.body)
    (folder / "ids.txt").write_text("".join(f"npy-{row}\n" for row in range(ROWS)))
    lines = (json.dumps({"text": f"paper {row}", "tags": ["array"], "row": row}) for row in range(ROWS))
    (folder / "items.jsonl").write_text("\n".join(lines))
    return (
        *(folder / "title.npy", folder / "vectors.npy", "--field", "title", "--field", "body"),
        *("--ids", folder / "ids.txt", "--items", folder / "items.jsonl"),
    )


def write_parquet(folder: Path, papers: Papers) -> tuple[object, ...]:
    columns = {
        "id": [f"parquet-{row}" for row in range(ROWS)],
        "title": pa.array(papers.title.tolist(), pa.list_(pa.float32(), 8)),
        "embedding": pa.array(papers.body.tolist(), pa.list_(pa.float64())),
        "row": list(range(ROWS)),
    }
    pq.write_table(pa.table(columns), folder / "papers.parquet", row_group_size=7)
    return (folder / "papers.parquet", "--field", "body=embedding")


def write_lines(folder: Path, papers: Papers) -> tuple[object, ...]:
    rows = (
        {
            "id": f"lines-{row}",
            "vectors": {
                "title": papers.title[row].tolist(),
                "body": base64.b64encode(papers.body[row].tobytes()).decode(),
            },
            "metadata": {"row": row},
        }
        for row in range(ROWS)
    )
    (folder / "papers.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return (folder / "papers.jsonl",)


async def test_vectors_of_each_format_are_found_by_vector(
    platform: RunningPlatform, async_client: AsyncSightwire, tmp_path: Path, unique_name: Callable[..., str]
) -> None:
    name = unique_name("papers")
    await async_client.collections.create(name, fields=FIELDS)
    formats = {"npy": write_arrays, "parquet": write_parquet, "lines": write_lines}
    for seed, (prefix, write) in enumerate(formats.items()):
        papers = Papers(seed)
        arguments = write(tmp_path, papers)
        report: dict[str, Any] = json.loads(await ingest(platform, tmp_path, *arguments, "-c", name))
        assert report == {"accepted": ROWS, "skipped": 0, "failed": []}
        again = json.loads(await ingest(platform, tmp_path, *arguments, "-c", name))
        assert again == {"accepted": 0, "skipped": ROWS, "failed": []}

        found = await async_client.search(name, vector=("title", papers.title[5]), k=1)
        assert found.hits[0].id == f"{prefix}-5"
        best = int(np.argmax(papers.body @ papers.body[7]))
        found = await async_client.search(name, vector=("body", papers.body[7].tobytes()), k=3 * ROWS)
        assert next(hit.id for hit in found.hits if hit.id.startswith(prefix)) == f"{prefix}-{best}"
    document = await async_client.items.get(name, "npy-3")
    assert (document["text"], document["tags"], document["metadata"]) == ("paper 3", ["array"], {"row": 3})
    assert (await async_client.collections.get(name)).items == 3 * ROWS


async def test_nothing_is_sent_when_a_vector_does_not_fit(
    platform: RunningPlatform, async_client: AsyncSightwire, tmp_path: Path, unique_name: Callable[..., str]
) -> None:
    name = unique_name("broken")
    await async_client.collections.create(name, fields=FIELDS)
    papers = Papers(0)
    papers.title[17, 2] = np.nan
    printed = await ingest(platform, tmp_path, *write_arrays(tmp_path, papers), "-c", name, fails=True)
    assert "title.npy, row 17: a number is NaN" in printed.replace("\n", " ")
    assert "Traceback" not in printed
    assert (await async_client.collections.get(name)).items == 0


async def test_client_takes_arrays_in_batches(async_client: AsyncSightwire, unique_name: Callable[..., str]) -> None:
    name = unique_name("arrays")
    await async_client.collections.create(name, fields=FIELDS)
    papers = Papers(1)
    result = await async_client.items.put_many(
        name, [{"id": str(row), "vectors": {"title": vector}} for row, vector in enumerate(papers.title)]
    )
    assert len(result.accepted) == ROWS
    for row in range(ROWS):
        assert (await async_client.items.wait(name, str(row))).state == "searchable"
    found = await async_client.search(name, vector=("title", papers.title[9]), k=1)
    assert found.hits[0].id == "9"
