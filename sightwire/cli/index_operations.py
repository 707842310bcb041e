"""`sightwire index rebuild|validate|switch|rollback|scan|operations|cancel`."""

from typing import Annotated, Any

import typer

from sightwire.cli.documents import GatesFile, read_gates
from sightwire.cli.operation_output import OPERATION_COLUMNS, operation_rows
from sightwire.cli.operation_running import NoWait, carry_through
from sightwire.cli.options import ApiKey, AsJson, CollectionArgument, Url
from sightwire.cli.output import print_json, print_table
from sightwire.client import Sightwire
from sightwire.client.connection import DEFAULT_URL
from sightwire.contracts.collections import IndexType
from sightwire.contracts.operations import OperationState
from sightwire.errors import NotFoundError

OptionalGeneration = Annotated[str | None, typer.Argument(help="Name of the generation, such as g2.")]
FollowSeconds = Annotated[float, typer.Option(min=0.1, help="How long searchers have to follow, in seconds.")]
NoCarryOver = Annotated[
    bool, typer.Option("--no-carry-over", help="As it was stored: without what was ingested since then.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module to `sightwire index`."""
    for name, command in (
        ("rebuild", rebuild),
        ("validate", validate),
        ("switch", switch),
        ("rollback", rollback),
        ("scan", scan),
        ("operations", operations),
        ("cancel", cancel),
    ):
        app.command(name)(command)


def rebuild(
    collection: CollectionArgument,
    kind: Annotated[IndexType | None, typer.Option("--type", help="Kind of index.")] = None,
    m: Annotated[int | None, typer.Option("--m", help="Links of each vector (HNSW).")] = None,
    ef_construction: Annotated[int | None, typer.Option(help="Candidates while it is built (HNSW).")] = None,
    ef_search: Annotated[int | None, typer.Option(help="Candidates of a search (HNSW).")] = None,
    lists: Annotated[int | None, typer.Option(help="Inverted lists (IVF).")] = None,
    probes: Annotated[int | None, typer.Option(help="Inverted lists that a search reads (IVF).")] = None,
    pq_bytes: Annotated[int | None, typer.Option(help="Bytes of a quantised vector (IVF-PQ).")] = None,
    rerank: Annotated[int | None, typer.Option(help="Candidates per result compared again with whole vectors.")] = None,
    no_activate: Annotated[bool, typer.Option("--no-activate", help="Keep it staged: do not make it live.")] = False,
    gates: GatesFile = None,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds after which it is given up.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the building process.")] = None,
    memory_mib: Annotated[int | None, typer.Option(min=1, help="Limit of the building process, in MiB.")] = None,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Build a new generation from the stored vectors, put it through the gates, and make it live.

    Without options of the index it is like the live one; with some, the others have their defaults.
    """
    index = _given(
        type=kind.value if kind is not None else None,
        m=m,
        ef_construction=ef_construction,
        ef_search=ef_search,
        lists=lists,
        probes=probes,
        pq_bytes=pq_bytes,
        rerank=rerank,
    )
    options = _given(
        index=index or None,
        gates=read_gates(gates),
        timeout_seconds=timeout,
        threads=threads,
        memory_bytes=memory_mib * 1024 * 1024 if memory_mib is not None else None,
    )
    with Sightwire(url, api_key=api_key) as sightwire:
        begun = sightwire.index.rebuild(collection, activate=not no_activate, **options)
        carry_through(sightwire, begun, no_wait=no_wait, as_json=as_json)


def validate(
    collection: CollectionArgument,
    generation: OptionalGeneration = None,
    gates: GatesFile = None,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Put a generation through the gates; without a name the live one."""
    with Sightwire(url, api_key=api_key) as sightwire:
        begun = sightwire.index.validate(collection, generation, **_given(gates=read_gates(gates)))
        carry_through(sightwire, begun, no_wait=no_wait, as_json=as_json)


def switch(
    collection: CollectionArgument,
    generation: Annotated[str, typer.Argument(help="Name of the generation.")],
    no_validate: Annotated[bool, typer.Option("--no-validate", help="Without the gates.")] = False,
    no_carry_over: NoCarryOver = False,
    follow_seconds: FollowSeconds = 30.0,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Make another generation live once it has passed the gates."""
    with Sightwire(url, api_key=api_key) as sightwire:
        begun = sightwire.index.switch(
            collection,
            generation,
            validate_first=not no_validate,
            carry_over=not no_carry_over,
            follow_seconds=follow_seconds,
        )
        carry_through(sightwire, begun, no_wait=no_wait, as_json=as_json)


def rollback(
    collection: CollectionArgument,
    generation: OptionalGeneration = None,
    no_carry_over: NoCarryOver = False,
    follow_seconds: FollowSeconds = 30.0,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a kept generation live again at once, without gates; without a name the one that was live before."""
    with Sightwire(url, api_key=api_key) as sightwire:
        begun = sightwire.index.rollback(
            collection, generation, carry_over=not no_carry_over, follow_seconds=follow_seconds
        )
        carry_through(sightwire, begun, no_wait=no_wait, as_json=as_json)


def scan(
    collection: CollectionArgument,
    no_wait: NoWait = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of every segment and compare checksums."""
    with Sightwire(url, api_key=api_key) as sightwire:
        carry_through(sightwire, sightwire.index.scan(collection), no_wait=no_wait, as_json=as_json)


def operations(
    collection: CollectionArgument,
    kind: Annotated[str | None, typer.Option(help="Only of one kind, such as rebuild.")] = None,
    state: Annotated[OperationState | None, typer.Option(help="Only in one state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List operations, the newest first."""
    with Sightwire(url, api_key=api_key) as sightwire:
        found = sightwire.operations.list(
            collection, kind=kind, state=state.value if state is not None else None, limit=limit
        )
    if as_json:
        print_json(found)
    else:
        print_table(OPERATION_COLUMNS, operation_rows(found))


def cancel(
    collection: CollectionArgument,
    operation: Annotated[str | None, typer.Argument(help="Id of the operation; none: the one that runs.")] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """End an operation; what is live stays as it is."""
    with Sightwire(url, api_key=api_key) as sightwire:
        ended = sightwire.operations.cancel(collection, operation or _running(sightwire, collection))
    if as_json:
        print_json(ended)
    else:
        typer.echo(f"{ended.command.kind} {ended.id}: {ended.state.value}")


def _running(sightwire: Sightwire, collection: str) -> str:
    found = sightwire.operations.list(collection, state=OperationState.RUNNING.value, limit=1)
    if not found:
        raise NotFoundError(f"no operation of collection {collection!r} runs")
    return found[0].id


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
