"""The public form of an item: what the index stores as JSON and every answer shows."""

from typing import NotRequired, TypedDict


class BoundingBox(TypedDict):
    """Pixels of the original image, EXIF orientation applied."""

    x1: float
    y1: float
    x2: float
    y2: float


class DetectionDocument(TypedDict):
    """A detected object."""

    bbox: BoundingBox
    class_id: int
    class_name: str
    confidence: float


class ImageDocument(TypedDict):
    """An item's picture; `sha256` also names it in the gateway's image routes."""

    blob: str
    sha256: str
    media_type: str
    filename: str
    width: int
    height: int
    bytes: int


class ItemDocument(TypedDict):
    """An item as it is stored and answered. Absent members are left out, not null."""

    id: str
    version: int
    time: str
    tags: list[str]
    metadata: dict[str, object]
    text: NotRequired[str]
    image: NotRequired[ImageDocument]
    objects: NotRequired[list[DetectionDocument]]
