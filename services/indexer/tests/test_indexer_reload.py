"""An indexer that takes new settings while it runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import ConfigurationError
from sightwire.segments.layout import IndexLayout
from sightwire.settings import CONFIG_FILE_VARIABLE
from tests.plugin.waiting import wait_until

MakeRecord = Callable[..., CollectionRecord]


async def test_new_limits_hold_for_collections_that_are_open_and_for_later_ones(
    world: IndexerWorld, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.yml"
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(file))
    present = await world.create(make_record())
    async with world.indexer(indexer_housekeeping_seconds=0.1, indexer_retention_seconds=0.1) as context:
        await _make_manifests(world, present, 4)
        unchanged: dict[str, Any] = {"indexer_housekeeping_seconds": 0.1, "indexer_retention_seconds": 0.1}
        file.write_text(_yaml({**unchanged, "indexer_keep_manifests": 0}))
        with pytest.raises(ConfigurationError, match="SIGHTWIRE_INDEXER_KEEP_MANIFESTS"):
            await context.configuration.reload()
        assert len(await _manifests(world, present)) >= 4
        file.write_text(_yaml({**unchanged, "indexer_keep_manifests": 1}))
        outcome = await context.configuration.reload()
        assert [change.name for change in outcome.applied] == ["indexer_keep_manifests"]
        await wait_until(lambda: _has_few_manifests(world, present))
        later = await world.create(make_record())
        await _make_manifests(world, later, 4)
        await wait_until(lambda: _has_few_manifests(world, later))


async def _make_manifests(world: IndexerWorld, record: CollectionRecord, count: int) -> None:
    for version in range(1, count + 1):
        sequence = await world.publish(record, embedded_item(f"item-{version}", version))
        await world.indexed_up_to(record, sequence)


async def _manifests(world: IndexerWorld, record: CollectionRecord) -> list[str]:
    return await world.blobs.keys(IndexLayout.of(record).manifests_prefix)


async def _has_few_manifests(world: IndexerWorld, record: CollectionRecord) -> bool:
    return len(await _manifests(world, record)) <= 2


def _yaml(settings: dict[str, Any]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in settings.items())
