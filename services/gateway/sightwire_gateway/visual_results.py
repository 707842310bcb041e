"""Results in the shape that clients of the visual search routes know, and the filter of the hybrid route."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sightwire.v1 import searcher_pb2
from sightwire_gateway.documents import picture_urls

_SCORE_DIGITS = 6
_ONE_DAY = timedelta(days=1)


class BoundingBoxAnswer(BaseModel):
    """Pixels of the original image."""

    x1: float
    y1: float
    x2: float
    y2: float


class DetectionAnswer(BaseModel):
    """A detected object."""

    bbox: BoundingBoxAnswer
    class_id: int
    class_name: str = Field(examples=["dog"])
    confidence: float


class VisualResult(BaseModel):
    """A found picture."""

    image_id: str
    filename: str
    image_url: str
    score: float
    num_detections: int
    detections: list[DetectionAnswer]


class IngestedImage(BaseModel):
    """A picture that is searchable now."""

    status: str = Field(examples=["success"])
    image_id: str
    num_detections: int
    processing_time_ms: float


def _parsed_date(value: object) -> object:
    """A day or a moment from text; without an offset it is UTC."""
    if value is None or isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a date such as 2026-01-31 as text")
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("expected a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


DateOrTime = Annotated[
    datetime | date,
    BeforeValidator(_parsed_date),
    Field(json_schema_extra={"examples": ["2026-01-31", "2026-01-31T12:00:00Z"]}),
]


class HybridRequest(BaseModel):
    """A text query with filters; every filter holds for every result."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "text_query": "a dog on the beach",
                "yolo_classes": ["dog"],
                "min_confidence": 0.5,
                "date_from": "2026-01-01",
                "tags": ["holiday"],
                "k": 20,
            }
        },
    )

    text_query: str
    yolo_classes: list[str] | None = Field(default=None, description="At least one of these is detected")
    min_confidence: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5, description="Least confidence of the detection that `yolo_classes` asks for"
    )
    date_from: DateOrTime | None = Field(default=None, description="The item's time is then or later")
    date_to: DateOrTime | None = Field(default=None, description="Then or earlier; a day is included as a whole")
    tags: list[str] | None = Field(default=None, description="The item has at least one of these")
    k: Annotated[int, Field(ge=1, le=100)] = 20

    @model_validator(mode="after")
    def _dates_are_in_order(self) -> Self:
        if self.date_from is not None and self.date_to is not None and start_of(self.date_from) > end_of(self.date_to):
            raise ValueError(f"date_from ({self.date_from}) is after date_to ({self.date_to})")
        return self


def start_of(moment: date | datetime) -> datetime:
    """A moment, or the first one of a day in UTC."""
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time.min, UTC)


def end_of(moment: date | datetime) -> datetime:
    """A moment, or the last microsecond of a day in UTC."""
    if isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time.min, UTC) + _ONE_DAY - timedelta(microseconds=1)


def hybrid_filter(request: HybridRequest) -> dict[str, Any] | None:
    """The native filter that says the same; None when nothing is filtered. Empty lists filter nothing."""
    conditions: list[dict[str, Any]] = []
    if request.yolo_classes:
        conditions.append({"classes": {"names": request.yolo_classes, "min_confidence": request.min_confidence}})
    if request.tags:
        conditions.append({"tags_any": request.tags})
    if request.date_from is not None or request.date_to is not None:
        bounds: dict[str, str] = {}
        if request.date_from is not None:
            bounds["from"] = start_of(request.date_from).isoformat()
        if request.date_to is not None:
            bounds["to"] = end_of(request.date_to).isoformat()
        conditions.append({"time": bounds})
    return {"all": conditions} if conditions else None


def visual_results(response: searcher_pb2.SearchResponse, *, base_url: str, collection: str) -> list[dict[str, Any]]:
    """Hits as `VisualResult`s. Items without a picture, which the image field does not hold, are left out."""
    results: list[dict[str, Any]] = []
    for hit in response.hits:
        document = orjson.loads(hit.document)
        image = document.get("image")
        if image is None:
            continue
        detections = document.get("objects", [])
        image_url, _ = picture_urls(base_url, collection, hit.item_id, image["sha256"])
        results.append(
            {
                "image_id": hit.item_id,
                "filename": image.get("filename") or hit.item_id,
                "image_url": image_url,
                "score": round(hit.score, _SCORE_DIGITS),
                "num_detections": len(detections),
                "detections": detections,
            }
        )
    return results


def semantic_results(response: searcher_pb2.SearchResponse, *, base_url: str, collection: str) -> list[dict[str, Any]]:
    """Hits of the semantic search route: what was said and, if there is one, the picture."""
    results: list[dict[str, Any]] = []
    for hit in response.hits:
        document = orjson.loads(hit.document)
        result: dict[str, Any] = {
            "id": hit.item_id,
            "score": round(hit.score, _SCORE_DIGITS),
            "text": document.get("text", ""),
            "tags": document.get("tags", []),
            "metadata": document.get("metadata", {}),
        }
        if image := document.get("image"):
            result["image_url"], result["thumbnail_url"] = picture_urls(
                base_url, collection, hit.item_id, image["sha256"]
            )
        results.append(result)
    return results


class SemanticResult(BaseModel):
    """A found item."""

    id: str
    score: float
    text: str
    tags: list[str]
    metadata: dict[str, Any]
    image_url: str | None = None
    thumbnail_url: str | None = None


class SemanticAnswer(BaseModel):
    """What the semantic search found."""

    query: str
    results: list[SemanticResult]
    took_ms: float
