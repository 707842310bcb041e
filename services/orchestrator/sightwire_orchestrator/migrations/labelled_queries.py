"""Queries with the items that answer them, as users write them."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from sightwire.blobs import open_blob_store
from sightwire.contracts.migration_plans import (
    InlineQueries,
    LabelledQuery,
    QueriesInBlob,
    QueriesInFile,
    QuerySource,
)
from sightwire.errors import InvalidInputError
from sightwire_orchestrator.tasks.errors import problems_in_words


async def read_labelled_queries(source: QuerySource, *, blobs_url: str) -> tuple[LabelledQuery, ...]:
    """The queries of a source.

    Raises:
        InvalidInputError: the file cannot be read, or a line is none; the message names it.
        NotFoundError: there is no such blob.
        UnavailableError: the blob store does not answer.
    """
    match source:
        case InlineQueries():
            return source.queries
        case QueriesInFile():
            try:
                data = await asyncio.to_thread(Path(source.path).read_bytes)
            except OSError as error:
                raise InvalidInputError(f"cannot read {source.path}: {error.strerror or error}") from error
            return parse_labelled_queries(data, origin=source.path)
        case QueriesInBlob():
            data = b"".join([chunk async for chunk in open_blob_store(blobs_url).stream(source.key)])
            return parse_labelled_queries(data, origin=source.key)


def parse_labelled_queries(data: bytes, *, origin: str) -> tuple[LabelledQuery, ...]:
    """The queries of a file with a JSON object a line; blank lines do not matter.

    Raises:
        InvalidInputError: a line is none, or there is none.
    """
    queries = tuple(_parsed(data.splitlines(), origin))
    if not queries:
        raise InvalidInputError(f'{origin} has no queries; expected lines such as {{"query": "…", "relevant": ["id"]}}')
    return queries


def _parsed(lines: Iterable[bytes], origin: str) -> Iterable[LabelledQuery]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield LabelledQuery.model_validate_json(line)
        except ValidationError as error:
            raise InvalidInputError(f"{origin}:{number}: {problems_in_words(error)}") from None
