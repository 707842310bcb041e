"""A request as a plain value, and what requests are made of. No I/O here."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, Union
from urllib.parse import quote

import orjson
from pydantic import BaseModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Result = TypeVar("Result")
#: A file's path, a file's bytes, or an http(s) URL that the platform fetches.
PictureSource = Path | bytes | str
#: A vector of the user's own: numbers, a NumPy array, or little-endian float32 bytes.
VectorSource: TypeAlias = Union[Sequence[float], bytes, "NDArray[np.floating[Any]]"]

#: What a client waits beyond the time that it lets the platform wait.
WAIT_MARGIN_SECONDS = 10.0


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
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: Any = None
    #: Text instead of a JSON `body`.
    yaml: str = ""
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
        if self.yaml:
            return {"content": self.yaml.encode(), "headers": {"content-type": "application/yaml"}}
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


def picture_or_member(image: PictureSource | Picture | None) -> tuple[Picture | Path | None, dict[str, str] | None]:
    """What to upload, and else the `image` member of the JSON: one of the two at most."""
    if image is None or isinstance(image, Picture | Path):
        return image, None
    if isinstance(image, bytes):
        return Picture(image), None
    if image.startswith(("http://", "https://")):
        return None, {"url": image}
    return Path(image), None


def vector_member(vector: VectorSource) -> list[float] | str:
    if isinstance(vector, bytes):
        return base64.b64encode(vector).decode()
    if not isinstance(vector, Sequence):
        # An array of NumPy, which a client needs not have installed.
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(number) for number in vector]


def path_segment(name: str) -> str:
    """Ids may be paths themselves: their slashes must not become the URL's."""
    return quote(name, safe="")


def json_reader(parse: Callable[[Any], Result]) -> Callable[[bytes], Result]:
    return lambda body: parse(orjson.loads(body))


def plain_body(body: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """A model, or a mapping that may hold some, as JSON has it; what is not given is left to the platform."""
    if isinstance(body, BaseModel):
        return body.model_dump(mode="json", exclude_none=True)
    return {name: plain_body(value) if isinstance(value, BaseModel) else value for name, value in body.items()}


def without_none(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
