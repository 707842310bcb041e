"""`sightwire ingest`: pictures, folders, URLs, tables and arrays of vectors into a collection."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sightwire.cli.ingest_arrays import ArrayTable, RowSources
from sightwire.cli.ingest_journal import IngestJournal, default_journal_path
from sightwire.cli.ingest_sending import IngestReport, IngestSender, wait_until_final
from sightwire.cli.ingest_sources import (
    Columns,
    Record,
    UnreadableRecord,
    check_table,
    count_records,
    read_array_records,
    read_records,
)
from sightwire.cli.ingest_vectors import TableCheck, VectorFields, vector_fields
from sightwire.cli.options import DEFAULT_COLLECTION, ApiKey, AsJson, CollectionOption, Url
from sightwire.cli.output import fail, notices, print_json
from sightwire.client import ApiError, AsyncSightwire, Collection
from sightwire.client.connection import DEFAULT_URL
from sightwire.errors import InvalidInputError

_PROBLEMS_SHOWN = 20


@dataclass(frozen=True)
class _Plan:
    collection: str
    sources: tuple[str, ...]
    columns: Columns
    field_options: tuple[str, ...]
    rows: RowSources
    tags: tuple[str, ...]
    url: str
    api_key: str | None
    concurrency: int
    journal: Path
    start_over: bool
    create: bool
    wait: bool
    wait_seconds: float
    show_progress: bool


def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…",
            help="Pictures, folders of them, http(s) URLs, tables (.csv, .tsv, .jsonl, .parquet) or vectors (.npy).",
        ),
    ],
    collection: CollectionOption = DEFAULT_COLLECTION,
    tag: Annotated[list[str] | None, typer.Option(help="Tag for every item; may be repeated.")] = None,
    create: Annotated[bool, typer.Option("--create", help="Create the collection if it does not exist.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return once everything is searchable.")] = False,
    wait_seconds: Annotated[float, typer.Option(min=1, help="How long to wait for one item.")] = 300.0,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Requests at once.")] = 16,
    id_column: Annotated[str, typer.Option(help="Column of tables with the id.")] = "id",
    text_column: Annotated[str, typer.Option(help="Column of tables with the text.")] = "text",
    image_column: Annotated[str, typer.Option(help="Column with a picture's path or URL.")] = "image",
    tags_column: Annotated[str, typer.Option(help="Column with tags, separated by commas.")] = "tags",
    time_column: Annotated[str, typer.Option(help="Column with the time, as RFC 3339.")] = "time",
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=COLUMN]",
            help="Vector field: of each .npy file in turn, or of a Parquet column with another name; may be repeated.",
        ),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option(help="Ids of .npy rows: .txt (one a line), .npy or .jsonl.", dir_okay=False)
    ] = None,
    id_prefix: Annotated[str | None, typer.Option(help="Ids of .npy rows are this and the row's number.")] = None,
    items: Annotated[
        Path | None, typer.Option(help="Items of .npy rows, as .jsonl: text, tags, metadata, id.", dir_okay=False)
    ] = None,
    journal: Annotated[Path | None, typer.Option(help="File that remembers what was accepted.", dir_okay=False)] = None,
    start_over: Annotated[bool, typer.Option("--start-over", help="Forget what was accepted before.")] = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Put pictures, texts, tables and vectors into a collection.

    What the platform has accepted is remembered, so that running the same command again sends only what is missing or
    has changed. Exits with 1 when anything was refused.
    """
    plan = _Plan(
        collection=collection,
        sources=tuple(sources),
        columns=Columns(id_column, text_column, image_column, tags_column, time_column),
        field_options=tuple(field or ()),
        rows=RowSources(ids=ids, id_prefix=id_prefix, items=items),
        tags=tuple(tag or ()),
        url=url,
        api_key=api_key,
        concurrency=concurrency,
        journal=journal or default_journal_path(url, collection),
        start_over=start_over,
        # The default collection is everybody's: the gateway makes it as well, when a route first needs it.
        create=create or collection == DEFAULT_COLLECTION,
        wait=wait,
        wait_seconds=wait_seconds,
        show_progress=not as_json,
    )
    report = asyncio.run(_ingest(plan))
    _show_report(report, as_json=as_json)
    if report.failed:
        raise typer.Exit(1)


async def _ingest(plan: _Plan) -> IngestReport:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    async with AsyncSightwire(plan.url, api_key=plan.api_key) as sightwire:
        target = await _target_collection(sightwire, plan)
        fields = vector_fields(target, plan.field_options)
        arrays = await asyncio.to_thread(_checked, plan, fields)
        with (
            IngestJournal(plan.journal, target.uid) as journal,
            Progress(*columns, console=notices, disable=not plan.show_progress) as progress,
        ):
            if plan.start_over:
                journal.forget()
            sending = progress.add_task("sending", total=await asyncio.to_thread(_total, plan.sources, arrays))
            sender = IngestSender(
                sightwire,
                plan.collection,
                journal,
                concurrency=plan.concurrency,
                on_progress=lambda report: progress.update(sending, completed=report.seen),
            )
            await sender.send(_all_records(plan, fields, arrays))
            progress.update(sending, total=sender.report.seen)
            if plan.wait and sender.report.accepted:
                indexing = progress.add_task("indexing", total=len(sender.report.accepted))
                sender.report.failed += await wait_until_final(
                    sightwire,
                    plan.collection,
                    sender.report.accepted,
                    concurrency=plan.concurrency,
                    seconds=plan.wait_seconds,
                    on_progress=lambda done: progress.update(indexing, completed=done),
                )
    return sender.report


async def _target_collection(sightwire: AsyncSightwire, plan: _Plan) -> Collection:
    try:
        return await sightwire.collections.get(plan.collection)
    except ApiError as error:
        if not plan.create or error.http_status != 404:
            raise
    return await sightwire.collections.create(plan.collection)


def _checked(plan: _Plan, fields: VectorFields) -> ArrayTable | None:
    """The .npy files among the sources, once everything that holds vectors was found to fit the collection."""
    paths = [source for source in plan.sources if _is_array(source)]
    arrays = ArrayTable(paths, fields, plan.rows) if paths else None
    if fields.dimensions:
        check = TableCheck()
        if arrays is not None:
            arrays.check(check)
        for source in plan.sources:
            check_table(source, plan.columns, fields, check)
        check.finish()
    return arrays


def _all_records(plan: _Plan, fields: VectorFields, arrays: ArrayTable | None) -> Iterator[Record | UnreadableRecord]:
    if arrays is not None:
        yield from read_array_records(arrays, plan.columns, plan.tags)
    for source in plan.sources:
        if _is_array(source):
            continue
        try:
            yield from read_records(source, plan.columns, plan.tags, fields)
        except InvalidInputError as error:
            yield UnreadableRecord(source, error.detail)


def _is_array(source: str) -> bool:
    return Path(source).suffix.lower() == ".npy" and "://" not in source


def _total(sources: tuple[str, ...], arrays: ArrayTable | None) -> int | None:
    others = [source for source in sources if not _is_array(source)]
    counts = [count_records(source) for source in others if Path(source).exists() or "://" in source]
    known = [count for count in counts if count is not None]
    return sum(known) + len(arrays or ()) if len(known) == len(counts) else None


def _show_report(report: IngestReport, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "accepted": len(report.accepted),
                "skipped": report.skipped,
                "failed": [{"origin": origin, "reason": reason} for origin, reason in report.failed],
            }
        )
        return
    typer.echo(f"{len(report.accepted)} accepted, {report.skipped} already there, {len(report.failed)} failed")
    for origin, reason in report.failed[:_PROBLEMS_SHOWN]:
        fail(f"{origin}: {reason}")
    if len(report.failed) > _PROBLEMS_SHOWN:
        fail(f"and {len(report.failed) - _PROBLEMS_SHOWN} more; --json lists all")
