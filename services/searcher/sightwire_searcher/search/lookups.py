"""Requests that are not searches: items by id, and walking all items in a stable order."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sightwire.contracts.collections import CollectionRecord, VectorSource
from sightwire.errors import InvalidInputError
from sightwire.segments.identifiers import hash_ids
from sightwire.segments.reader import SegmentReader
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.query import CheckedFilter
from sightwire_searcher.search.requests import checked_field
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.snapshot import ItemPosition, SegmentView, Snapshot

_HASH_BYTES = 8


class ListPosition(NamedTuple):
    """Place of an item in the list: by hash, then id. It depends on nothing but the id, so it survives reloads."""

    id_hash: int
    item_id: str


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Some items of the list; `next_token` is empty after the last."""

    items: list[searcher_pb2.StoredItem]
    next_token: str


def items_by_id(
    snapshot: Snapshot, ids: Sequence[str], *, vector_fields: Sequence[str] = ()
) -> list[searcher_pb2.StoredItem]:
    """Live items in the order of `ids`, without those that the snapshot does not have."""
    positions = [position for position in snapshot.find(ids) if position is not None]
    return stored_items(snapshot, positions, vector_fields)


def list_items(
    snapshot: Snapshot,
    selections: Selections,
    *,
    limit: int,
    token: str,
    filter_: CheckedFilter | None,
    vector_fields: Sequence[str] = (),
) -> ItemPage:
    """The next `limit` live items after `token`.

    Raises:
        InvalidInputError: `token` did not come from an answer.
    """
    after = parse_token(token) if token else None
    entries: list[tuple[ListPosition, ItemPosition]] = []
    for number, view in enumerate(snapshot.segments):
        choice = selections.items(view, filter_)
        if not choice.count:
            continue
        allowed = choice.selection.mask if choice.selection is not None else None
        rows = _next_rows(view, after, allowed, limit + 1)
        hashes = view.reader.id_hashes[rows].tolist()
        for id_hash, item_id, row in zip(hashes, view.reader.ids(rows), rows.tolist(), strict=True):
            entries.append((ListPosition(id_hash, item_id), ItemPosition(number, row)))
    entries = [entry for entry in entries if after is None or entry[0] > after]
    entries.sort(key=lambda entry: entry[0])
    page = entries[:limit]
    return ItemPage(
        items=stored_items(snapshot, [position for _, position in page], vector_fields),
        next_token=format_token(page[-1][0]) if len(entries) > limit else "",
    )


def checked_vector_fields(names: Sequence[str], record: CollectionRecord) -> list[str]:
    """The names, if each is of a field with one vector an item.

    Raises:
        InvalidInputError: one is not.
    """
    for name in names:
        if checked_field(name, record).source is VectorSource.OBJECT:
            raise InvalidInputError(f"field {name!r} has vectors of objects; only those of items can be had")
    return list(dict.fromkeys(names))


def stored_items(
    snapshot: Snapshot, positions: Sequence[ItemPosition], vector_fields: Sequence[str] = ()
) -> list[searcher_pb2.StoredItem]:
    """Items at positions, in their order, with their vectors in some fields."""
    items = [searcher_pb2.StoredItem() for _ in positions]
    for number, view in enumerate(snapshot.segments):
        indexes = [index for index, position in enumerate(positions) if position.segment == number]
        if not indexes:
            continue
        rows = np.array([positions[index].row for index in indexes], dtype=np.int64)
        reader = view.reader
        columns = zip(indexes, reader.ids(rows), reader.versions[rows].tolist(), reader.documents(rows), strict=True)
        for index, item_id, version, document in columns:
            items[index].item_id = item_id
            items[index].version = version
            items[index].document = document
        for field in vector_fields:
            _add_vectors(field, reader, rows, [items[index] for index in indexes])
    return items


def _add_vectors(
    field: str, reader: SegmentReader, rows: npt.NDArray[np.int64], items: Sequence[searcher_pb2.StoredItem]
) -> None:
    """Puts the vectors of item rows into their items."""
    matrix = reader.vectors(field)
    for item, vector_row in zip(items, reader.fields[field].vector_rows(rows).tolist(), strict=True):
        if vector_row < 0:
            continue
        vectors = item.vectors.add(field=field)
        vectors.matrix.data = matrix[vector_row].tobytes()
        vectors.matrix.rows = 1
        vectors.matrix.dimension = matrix.shape[1]


def format_token(position: ListPosition) -> str:
    """An opaque token for the place after `position`."""
    data = position.id_hash.to_bytes(_HASH_BYTES, "big") + position.item_id.encode()
    return base64.urlsafe_b64encode(data).decode()


def parse_token(token: str) -> ListPosition:
    """The place that `format_token` encoded.

    Raises:
        InvalidInputError: it did not.
    """
    try:
        data = base64.urlsafe_b64decode(token)
        position = ListPosition(int.from_bytes(data[:_HASH_BYTES], "big"), data[_HASH_BYTES:].decode())
    except (binascii.Error, ValueError):
        position = None
    if position is None or not position.item_id or position.id_hash != int(hash_ids([position.item_id])[0]):
        raise InvalidInputError(f"'page_token' expects one from an answer before, got {token!r}")
    return position


def _next_rows(
    view: SegmentView, after: ListPosition | None, allowed: npt.NDArray[np.bool_] | None, count: int
) -> npt.NDArray[np.int64]:
    """The first `count` allowed rows, and with `after` as many more as have its hash, where its id may come first."""
    hashes = view.reader.id_hashes
    start = 0
    if after is not None:
        wanted = np.uint64(after.id_hash)
        start = int(np.searchsorted(hashes, wanted))
        count += int(np.searchsorted(hashes, wanted, side="right")) - start
    if allowed is None:
        return np.arange(start, min(start + count, len(hashes)))
    rows: npt.NDArray[np.int64] = np.flatnonzero(allowed[start:])[:count] + start
    return rows
