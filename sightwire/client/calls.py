"""Requests of the native API as plain values: what to send, and how to read the answer. No I/O here.

Both clients send these; so they have the same behaviour by construction.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, Union
from urllib.parse import quote

import orjson

from sightwire.client.models import (
    BatchResult,
    Collection,
    CollectionSummary,
    ItemPage,
    ItemStatus,
    SearchResults,
    UploadedPicture,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Result = TypeVar("Result")
#: A file's path, a file's bytes, or an http(s) URL that the platform fetches.
PictureSource = Path | bytes | str
#: A vector of the user's own: numbers, a NumPy array, or little-endian float32 bytes.
VectorSource: TypeAlias = Union[Sequence[float], bytes, "NDArray[np.floating[Any]]"]

_WAIT_MARGIN_SECONDS = 10.0


@dataclass(frozen=True)
class Picture:
    """A picture's bytes with the file name that the item should keep."""

    data: bytes
    filename: str = ""


@dataclass(frozen=True)
class Call(Generic[Result]):
    """One request. With a `picture` and a `body`, both travel as multipart/form-data (`body_part` names the latter)."""

    method: str
    path: str
    read: Callable[[bytes], Result]
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    #: JSON documents, a line each, instead of one `body`.
    lines: Sequence[bytes] = ()
    picture: Picture | Path | None = None
    body_part: str = ""
    #: Whether sending it twice does the same as sending it once, so that it may be tried again.
    repeatable: bool = True
    #: Seconds to wait for an answer beyond the client's own patience.
    extra_seconds: float = 0.0

    def content(self, picture: Picture | None) -> dict[str, Any]:
        """The arguments that carry the body in httpx's `request`; `picture` holds the bytes when there are any."""
        if self.lines:
            return {"content": b"\n".join(self.lines), "headers": {"content-type": "application/x-ndjson"}}
        if picture is None:
            if self.body is None:
                return {}
            return {"content": orjson.dumps(self.body), "headers": {"content-type": "application/json"}}
        if not self.body_part:
            return {"content": picture.data, "headers": {"content-type": "application/octet-stream"}}
        files: dict[str, Any] = {"image": (picture.filename or "image", picture.data, "application/octet-stream")}
        files[self.body_part] = (None, orjson.dumps(self.body), "application/json")
        return {"files": files}


def create_collection(name: str, options: Mapping[str, Any]) -> Call[Collection]:
    return Call("POST", "/v1/collections", _reader(_collection), body={"name": name, **options}, repeatable=False)


def list_collections() -> Call[list[CollectionSummary]]:
    def read(answer: Any) -> list[CollectionSummary]:
        return [CollectionSummary.model_validate(entry) for entry in answer["collections"]]

    return Call("GET", "/v1/collections", _reader(read))


def get_collection(name: str) -> Call[Collection]:
    return Call("GET", f"/v1/collections/{_segment(name)}", _reader(_collection))


def delete_collection(name: str) -> Call[None]:
    return Call("DELETE", f"/v1/collections/{_segment(name)}", lambda _body: None, repeatable=False)


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
    picture, image_member = _picture_or_member(image)
    item = item_body(id=id, text=text, tags=tags, metadata=metadata, time=time, vectors=vectors, image=image_member)
    return Call(
        "POST",
        f"/v1/collections/{_segment(collection)}/items",
        _reader(ItemStatus.model_validate),
        params=_wait_parameters(wait, timeout),
        body=item,
        picture=picture,
        body_part="item",
        # Without an id each attempt would make another item.
        repeatable=id is not None,
        extra_seconds=timeout + _WAIT_MARGIN_SECONDS if wait else 0.0,
    )


def put_items(collection: str, items: Sequence[Mapping[str, Any]]) -> Call[BatchResult]:
    return Call(
        "POST",
        f"/v1/collections/{_segment(collection)}/items:batch",
        _reader(BatchResult.model_validate),
        lines=[orjson.dumps(_batch_item(item)) for item in items],
        repeatable=all("id" in item for item in items),
    )


def upload_picture(collection: str, picture: Picture | Path) -> Call[UploadedPicture]:
    path = f"/v1/collections/{_segment(collection)}/images"
    return Call("POST", path, _reader(UploadedPicture.model_validate), picture=picture)


def get_item(collection: str, item_id: str) -> Call[dict[str, Any]]:
    return Call("GET", _item_path(collection, item_id), orjson.loads)


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
    return Call("GET", f"/v1/collections/{_segment(collection)}/items", _reader(ItemPage.model_validate), params)


def delete_item(collection: str, item_id: str, *, wait: bool, timeout: float) -> Call[ItemStatus]:
    return Call(
        "DELETE",
        _item_path(collection, item_id),
        _reader(ItemStatus.model_validate),
        params=_wait_parameters(wait, timeout),
        extra_seconds=timeout + _WAIT_MARGIN_SECONDS if wait else 0.0,
    )


def get_status(collection: str, item_id: str) -> Call[ItemStatus]:
    return Call("GET", f"{_item_path(collection, item_id)}/status", _reader(ItemStatus.model_validate))


def status_events_path(collection: str, item_id: str) -> str:
    """Path of the server-sent events that follow one item until its state is final."""
    return f"{_item_path(collection, item_id)}/events"


class StatusEventReader:
    """Reads server-sent events line by line; the platform's `status` events, one `data` line each."""

    def __init__(self) -> None:
        self._event = ""

    def feed(self, line: str) -> ItemStatus | None:
        """The status that this line completes, else None: comments keep the connection alive, `end` ends the stream."""
        name, _, value = line.partition(":")
        if name == "event":
            self._event = value.strip()
        elif name == "data" and self._event == "status":
            return ItemStatus.model_validate_json(value.strip())
        return None


def search(
    collection: str,
    *,
    text: str | None,
    image: PictureSource | Picture | None,
    vector: tuple[str, VectorSource] | None,
    item: str | None,
    full_text: str | Mapping[str, Any] | None,
    hybrid: bool,
    fields: Sequence[str] | None,
    fusion: Literal["mean", "rrf", "weighted"] | None,
    weights: Mapping[str, float] | None,
    target: Literal["items", "objects"],
    filter: Mapping[str, Any] | None,
    sort: Sequence[str | Mapping[str, Any]] | None,
    group_by: str | Mapping[str, Any] | None,
    facets: Sequence[str | Mapping[str, Any]] | None,
    k: int,
    cursor: str | None,
    explain: bool,
    ef_search: int | None,
) -> Call[SearchResults]:
    picture, image_member = _picture_or_member(image)
    query: dict[str, Any] = _without_none(text=text, image=image_member, item=item)
    if vector is not None:
        query["vector"] = {"field": vector[0], "values": _vector_member(vector[1])}
    request = {
        "query": query,
        "k": k,
        "target": target,
        **_without_none(
            full_text={"query": full_text} if isinstance(full_text, str) else full_text,
            hybrid=hybrid or None,
            fields=fields,
            fusion=fusion,
            weights=weights,
            filter=filter,
            sort=sort,
            group_by=group_by,
            facets=facets,
            cursor=cursor,
            ef_search=ef_search,
            explain=explain or None,
        ),
    }
    return Call(
        "POST",
        f"/v1/collections/{_segment(collection)}/search",
        _reader(SearchResults.model_validate),
        body=request,
        picture=picture,
        body_part="request",
    )


def platform_status() -> Call[dict[str, Any]]:
    return Call("GET", "/v1/status", orjson.loads)


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
    body = _without_none(id=id, text=text, time=time, image=image)
    if tags := list(tags):
        body["tags"] = tags
    if metadata:
        body["metadata"] = dict(metadata)
    if vectors:
        body["vectors"] = {name: _vector_member(vector) for name, vector in vectors.items()}
    return body


def _picture_or_member(image: PictureSource | Picture | None) -> tuple[Picture | Path | None, dict[str, str] | None]:
    """What to upload, and else the `image` member of the JSON: one of the two at most."""
    if image is None or isinstance(image, Picture | Path):
        return image, None
    if isinstance(image, bytes):
        return Picture(image), None
    if image.startswith(("http://", "https://")):
        return None, {"url": image}
    return Path(image), None


def _batch_item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    vectors = item.get("vectors")
    if not vectors:
        return item
    members = {
        name: vector if isinstance(vector, str | list) else _vector_member(vector) for name, vector in vectors.items()
    }
    return {**item, "vectors": members}


def _vector_member(vector: VectorSource) -> list[float] | str:
    if isinstance(vector, bytes):
        return base64.b64encode(vector).decode()
    if not isinstance(vector, Sequence):
        # An array of NumPy, which a client needs not have installed.
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(number) for number in vector]


def _wait_parameters(wait: bool, timeout: float) -> dict[str, str]:
    return {"wait": "searchable", "timeout": f"{timeout:g}"} if wait else {}


def _without_none(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _item_path(collection: str, item_id: str) -> str:
    return f"/v1/collections/{_segment(collection)}/items/{_segment(item_id)}"


def _segment(name: str) -> str:
    """Ids may be paths themselves: their slashes must not become the URL's."""
    return quote(name, safe="")


def _reader(parse: Callable[[Any], Result]) -> Callable[[bytes], Result]:
    return lambda body: parse(orjson.loads(body))


def _collection(answer: Any) -> Collection:
    # The specification may come nested, as the registry holds it, or flat.
    return Collection.model_validate({**answer.get("spec", {}), **answer})
