"""Searches, and which of their results were chosen."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sightwire.client.calls.request import (
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
from sightwire.client.models import SearchResults


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
    picture, image_member = picture_or_member(image)
    query: dict[str, Any] = without_none(text=text, image=image_member, item=item)
    if vector is not None:
        query["vector"] = {"field": vector[0], "values": vector_member(vector[1])}
    request = {
        "query": query,
        "k": k,
        "target": target,
        **without_none(
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
        f"/v1/collections/{path_segment(collection)}/search",
        json_reader(SearchResults.model_validate),
        body=request,
        picture=picture,
        body_part="request",
    )


def tell_click(collection: str, query_id: str, item: str, rank: int) -> Call[None]:
    path = f"/v1/collections/{path_segment(collection)}/clicks"
    body = {"query_id": query_id, "item": item, "rank": rank}
    return Call("POST", path, lambda _body: None, body=body, repeatable=False)
