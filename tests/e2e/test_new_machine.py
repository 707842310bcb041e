"""A collection comes back on a new machine, from its encrypted backup alone, and goes on there."""

from pathlib import Path

import numpy as np
import pyrage
import pytest

from sightwire.client import AsyncSightwire
from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, run_platform

ITEMS = 60
ROUNDS = 3
VECTORS = np.eye(ITEMS, dtype=np.float32)


def machine(folder: Path, name: str, **environment: str) -> PlatformOptions:
    return PlatformOptions(data_directory=folder / name, port=find_free_port(), environment=environment)


async def put_all(client: AsyncSightwire) -> None:
    items = [{"id": f"n{row}", "vectors": {"own": vector}, "text": f"{row}"} for row, vector in enumerate(VECTORS)]
    put = await client.items.put_many("things", items)
    assert len(put.accepted) == ITEMS, put.failed[:1]


async def succeed(client: AsyncSightwire, begun: OperationRecord) -> OperationRecord:
    ended = await client.operations.wait(begun.collection, begun.id, timeout=60)
    assert ended.state is OperationState.SUCCEEDED, ended.error
    return ended


async def nearest(client: AsyncSightwire, vector: np.ndarray) -> tuple[str, float]:
    hit = (await client.search("things", vector=("own", vector), k=1)).hits[0]
    return hit.id, hit.score


@pytest.mark.timeout(240)
async def test_a_restored_collection_goes_on_taking_changes(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity.txt").write_text(str(identity))
    backups = {"SIGHTWIRE_INDEXER_BACKUPS_URL": str(tmp_path / "backups")}
    recipients = {"SIGHTWIRE_INDEXER_BACKUP_RECIPIENTS": str(identity.to_public())}
    async with (
        run_platform(machine(tmp_path, "old", **backups, **recipients)) as old,
        AsyncSightwire(old.gateway_url) as client,
    ):
        await client.collections.create("things", fields={"own": {"dimension": ITEMS}})
        for _ in range(ROUNDS):
            await put_all(client)
        await client.items.put("things", id="last", vectors={"own": -VECTORS[0]}, wait=True)
        made = await succeed(client, await client.backups.create("things"))
    secret = {"SIGHTWIRE_INDEXER_BACKUP_IDENTITY": str(tmp_path / "identity.txt")}
    async with (
        run_platform(machine(tmp_path, "new", **backups, **secret)) as new,
        AsyncSightwire(new.gateway_url) as client,
    ):
        (listed,) = await client.backups.list()
        assert (listed.id, listed.items, listed.encrypted) == (made.result["backup"], ITEMS + 1, True)
        assert (await client.backups.verify(listed.id)).passed
        await succeed(client, await client.backups.restore(listed.id))
        assert await nearest(client, VECTORS[7]) == ("n7", pytest.approx(1.0))
        # Their events are the first on this machine, and newer than everything that was restored.
        changed = VECTORS[7] + VECTORS[8]
        await client.items.put("things", id="n7", vectors={"own": changed}, wait=True)
        assert await nearest(client, changed) == ("n7", pytest.approx(1.0))
        await client.items.delete("things", "n9", wait=True)
        assert (await nearest(client, VECTORS[9]))[0] != "n9"
