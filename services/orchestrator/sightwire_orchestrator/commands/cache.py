"""`sightwire cache`: statistics and deletion of cached results of tasks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel

from sightwire.cli.bus import ACCESS, with_bus
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_members
from sightwire.errors import InvalidInputError

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.contracts.cache_control import CacheRequest

app = typer.Typer(
    help=f"Cached results of tasks of pipelines: statistics, and deletion by tags. {ACCESS}",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Answer = TypeVar("Answer", bound=BaseModel)


@app.command("stats")
def stats(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Show look-ups, hits and misses, and how much is kept."""
    from sightwire.cache.accounting import CacheAccounting
    from sightwire.contracts.cache_control import ReadCache

    counts = _asked(data_dir, ReadCache(), CacheAccounting)
    if as_json:
        print_json(counts)
        return
    print_members(
        {
            "counted by": "all processes" if counts.counted == "server" else "this orchestrator since its start",
            "look-ups": counts.lookups,
            "hits": counts.hits,
            "misses": counts.misses,
            "hit rate": f"{counts.hit_rate:.1%}",
            "stored": counts.sets,
            "evicted": counts.evictions,
            "in memory": f"{counts.size} results, {counts.size_bytes} bytes",
            "consistent": counts.consistent,
            "shared server": counts.health,
        }
    )


@app.command("clear")
def clear(
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            "-t",
            help="Results with this tag: of cache_tags, or pipeline:NAME, task:PIPELINE.TASK, type:TYPE, model:MODEL. "
            "Repeatable.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All results.")] = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Delete results; tasks that are being carried out now are not kept either."""
    from sightwire.contracts.cache_control import CacheCleared, ClearCache

    if everything is bool(tag):
        raise InvalidInputError("say what to delete: --tag TAG, which may be repeated, or --all")
    cleared = _asked(data_dir, ClearCache(tags=tuple(tag or ()), everything=everything), CacheCleared)
    if as_json:
        print_json(cleared)
    else:
        typer.echo("deleted all results" if everything else f"deleted results tagged {', '.join(cleared.tags)}")


def _asked(data_dir: Path, request: "CacheRequest", answer: type[Answer]) -> Answer:
    async def act(bus: "Bus") -> Answer:
        from sightwire.bus.orchestrator import OrchestratorClient

        return await OrchestratorClient(bus).ask_cache(request, answer)

    return with_bus(data_dir, act)
