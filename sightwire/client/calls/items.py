"""Items: put, get, list, delete, and how far they have come."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from sightwire.client.calls.request import (
    WAIT_MARGIN_SECONDS,
    Call,
    Picture,
    PictureSource,
    VectorSource,
    json_reader,
    path_segment,
    picture_or_member,
    vector_member,
    without_none,
)
from sightwire.client.models import BatchResult, ItemPage, ItemStatus, UploadedPicture


def put_item(
    collection: str,
    *,
    id: str | None,
    image: PictureSource | Picture | None,
    text: str | None,
    tags: Iterable[str],
    metadata: Mapping[str, Any] | None,
    time: datetime | str | None,
    vectors: Mapping[str, VectorSource] | None,
    wait: bool,
    timeout: float,
) -> Call[ItemStatus]:
    picture, image_member = picture_or_member(image)
    item = item_body(id=id, text=text, tags=tags, metadata=metadata, time=time, vectors=vectors, image=image_member)
    return Call(
        "POST",
        f"/v1/collections/{path_segment(collection)}/items",
        json_reader(ItemStatus.model_validate),
        params=_wait_parameters(wait, timeout),
        body=item,
        picture=picture,
        body_part="item",
        # Without an id each attempt would make another item.
        repeatable=id is not None,
        extra_seconds=timeout + WAIT_MARGIN_SECONDS if wait else 0.0,
    )


def put_items(collection: str, items: Sequence[Mapping[str, Any]]) -> Call[BatchResult]:
    return Call(
        "POST",
        f"/v1/collections/{path_segment(collection)}/items:batch",
        json_reader(BatchResult.model_validate),
        lines=[orjson.dumps(_batch_item(item)) for item in items],
        repeatable=all("id" in item for item in items),
    )


def upload_picture(collection: str, picture: Picture | Path) -> Call[UploadedPicture]:
    path = f"/v1/collections/{path_segment(collection)}/images"
    return Call("POST", path, json_reader(UploadedPicture.model_validate), picture=picture)


def get_item(collection: str, item_id: str) -> Call[dict[str, Any]]:
    return Call("GET", _item_path(collection, item_id), orjson.loads)


def get_picture(collection: str, item_id: str) -> Call[bytes]:
    return Call("GET", f"{_item_path(collection, item_id)}/image", bytes)


def list_items(
    collection: str,
    *,
    limit: int,
    cursor: str | None,
    filter: Mapping[str, Any] | None,
) -> Call[ItemPage]:
    params = {"limit": str(limit)}
    if cursor is not None:
        params["cursor"] = cursor
    if filter is not None:
        params["filter"] = orjson.dumps(filter).decode()
    return Call(
        "GET", f"/v1/collections/{path_segment(collection)}/items", json_reader(ItemPage.model_validate), params
    )


def delete_item(collection: str, item_id: str, *, wait: bool, timeout: float) -> Call[ItemStatus]:
    return Call(
        "DELETE",
        _item_path(collection, item_id),
        json_reader(ItemStatus.model_validate),
        params=_wait_parameters(wait, timeout),
        extra_seconds=timeout + WAIT_MARGIN_SECONDS if wait else 0.0,
    )


def get_status(collection: str, item_id: str) -> Call[ItemStatus]:
    return Call("GET", f"{_item_path(collection, item_id)}/status", json_reader(ItemStatus.model_validate))


def status_events_path(collection: str, item_id: str) -> str:
    """Path of the server-sent events that follow one item until its state is final."""
    return f"{_item_path(collection, item_id)}/events"


def item_body(
    *,
    id: str | None = None,
    text: str | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    time: datetime | str | None = None,
    vectors: Mapping[str, VectorSource] | None = None,
    image: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An item as the API takes it, for `put_items`; what is not given is left out."""
    body = without_none(id=id, text=text, time=time, image=image)
    if tags := list(tags):
        body["tags"] = tags
    if metadata:
        body["metadata"] = dict(metadata)
    if vectors:
        body["vectors"] = {name: vector_member(vector) for name, vector in vectors.items()}
    return body


def _batch_item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    vectors = item.get("vectors")
    if not vectors:
        return item
    members = {
        name: vector if isinstance(vector, str | list) else vector_member(vector) for name, vector in vectors.items()
    }
    return {**item, "vectors": members}


def _wait_parameters(wait: bool, timeout: float) -> dict[str, str]:
    return {"wait": "searchable", "timeout": f"{timeout:g}"} if wait else {}


def _item_path(collection: str, item_id: str) -> str:
    return f"/v1/collections/{path_segment(collection)}/items/{path_segment(item_id)}"
