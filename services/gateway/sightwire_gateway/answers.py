"""Answers as bytes: JSON by orjson, without a round through models."""

from datetime import UTC
from typing import Any, Final

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from sightwire.v1 import searcher_pb2
from sightwire_gateway.documents import public_item
from sightwire_gateway.highlights import highlighted
from sightwire_gateway.search_requests import SearchRequest
from sightwire_gateway.searching import SearchOutcome

#: Header of every search's answer: the id that clicks refer to.
QUERY_ID_HEADER: Final = "x-query-id"
_SCORE_DIGITS = 6


def json_response(content: Any, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`content` as JSON; `orjson.Fragment`s in it are copied as they are."""
    return Response(orjson.dumps(content), status_code=status_code, media_type="application/json", headers=headers)


def model_response(model: BaseModel, status_code: int = 200, *, location: str | None = None) -> Response:
    """A model as JSON; `location` is the path of what was made."""
    headers = {} if location is None else {"location": location}
    return Response(model.model_dump_json(), status_code, headers, media_type="application/json")


def base_url_of(request: Request, public_url: str | None) -> str:
    """How addresses in answers begin: the configured public URL, else the one that the caller used."""
    if public_url is not None:
        return public_url.rstrip("/")
    return str(request.base_url).rstrip("/")


def query_headers(outcome: SearchOutcome) -> dict[str, str]:
    """Headers of a search's answer."""
    return {QUERY_ID_HEADER: outcome.query_id}


def search_answer(
    outcome: SearchOutcome, *, base_url: str, collection: str, wanted: SearchRequest, took_seconds: float
) -> bytes:
    """The body of a native search's answer."""
    response = outcome.response
    explain = wanted.explain
    show_objects = any(hit.objects for hit in response.hits)
    hits: list[dict[str, Any]] = []
    for found in response.hits:
        hit: dict[str, Any] = {
            "id": found.item_id,
            "score": round(found.score, _SCORE_DIGITS),
            "item": public_item(found.document, base_url=base_url, collection=collection, item_id=found.item_id),
        }
        if show_objects:
            hit["objects"] = [matched_object(matched) for matched in found.objects]
        if explain:
            hit["explain"] = {
                field.field: {"score": round(field.score, _SCORE_DIGITS), "rank": field.rank}
                for field in found.field_scores
            }
        if wanted.group_by is not None:
            hit["group"] = plain_value(found.group)
        if found.highlights:
            hit["highlights"] = [highlighted(highlight) for highlight in found.highlights]
        hits.append(hit)
    answer: dict[str, Any] = {
        "query_id": outcome.query_id,
        "hits": hits,
        "manifest_version": response.manifest_version,
        "took_ms": round(took_seconds * 1000, 3),
    }
    if outcome.next_cursor is not None:
        answer["next_cursor"] = outcome.next_cursor
    if response.facets:
        answer["facets"] = {facet.field: _facet(facet) for facet in response.facets}
    if explain:
        answer["explain"] = {
            "fields": outcome.fields,
            "generation": response.generation,
            "search_ms": round(response.search_seconds * 1000, 3),
            "plan": orjson.Fragment(response.explanation or b"null"),
        }
    return orjson.dumps(answer)


def plain_value(value: searcher_pb2.Value) -> str | int | float | bool | None:
    """A metadata value as JSON has it: times in RFC 3339, None for no value."""
    kind = value.WhichOneof("kind")
    if kind is None:
        return None
    if kind == "datetime_value":
        return value.datetime_value.ToDatetime(UTC).isoformat()
    plain: str | int | float | bool = getattr(value, kind)
    return plain


def _facet(facet: searcher_pb2.Facet) -> dict[str, Any]:
    values = [{"value": plain_value(entry.value), "count": entry.count} for entry in facet.values]
    return {"values": values, "others": facet.others, "missing": facet.missing}


def matched_object(matched: Any) -> dict[str, Any]:
    """An object that matched a query; `matched` is the searcher's `MatchedObject`."""
    detection = matched.detection
    return {
        "bbox": {
            "x1": round(detection.x1, 2),
            "y1": round(detection.y1, 2),
            "x2": round(detection.x2, 2),
            "y2": round(detection.y2, 2),
        },
        "class_id": detection.class_id,
        "class_name": detection.class_name,
        "confidence": round(detection.confidence, _SCORE_DIGITS),
        "score": round(matched.score, _SCORE_DIGITS),
        "index": matched.index,
    }
