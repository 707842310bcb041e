"""The verification of a switch against a real searcher."""

from pathlib import Path

from sightwire_indexer.validation.deployed import Deployed, choose_probes
from sightwire_indexer.validation.searching import GenerationSearch

from services.indexer.tests.gate_world import RECORD, GateWorld, checkpoint, picture, put
from services.indexer.tests.indexer_world import IndexerWorld
from services.searcher.tests.conftest import running_searcher


async def test_a_real_searcher_passes_with_every_kind_of_field_until_it_is_behind(
    world: IndexerWorld, tmp_path: Path
) -> None:
    index = await GateWorld.open(world.blobs, tmp_path / "writer")
    await index.stage(index.items)
    await index.writer.switch("g2")
    await world.create(RECORD)
    async with running_searcher(world.settings, world.bus, tmp_path / "cache") as searcher:
        version = index.writer.manifest.version
        await searcher.has_announced(RECORD, version)
        deployed = Deployed(RECORD, lambda: {searcher.name: searcher.directory.addresses()[searcher.name]})
        live = index.writer.live
        probes = choose_probes(GenerationSearch(live, RECORD))
        assert {probe.field for probe in probes} == {"image", "place", "object"}
        assert await deployed.verify(live, seconds=5) == {}
        # The searcher has not heard of what is committed next.
        await index.writer.commit([put(picture(500, 70))], checkpoint(3))
        problems = await deployed.verify(index.writer.live, seconds=5)
        assert problems == {searcher.name: f"the manifest version that it serves is {version}, expected {version + 1}"}
