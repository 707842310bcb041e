"""Runs every benchmark in one run: `python -m bench [--quick] [--markdown FILE] [--only NAME …]`."""

from bench import durability, freshness, ingest, merging, migration, search_layers
from bench.command import main
from bench.pipelines import rates

if __name__ == "__main__":
    main(
        durability.BENCHMARK,
        ingest.BENCHMARK,
        freshness.BENCHMARK,
        merging.BENCHMARK,
        search_layers.BENCHMARK,
        rates.BENCHMARK,
        migration.BENCHMARK,
    )
