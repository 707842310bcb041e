"""What `bundle.yaml` says: the encoders, the detector, their preprocessing, and where everything comes from.

Nothing here knows ONNX: graphs are named by file and by the names of their inputs and outputs.
"""

from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from sightwire.contracts.names import SpaceName

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TritonModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", max_length=128)]
BundleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Rgb = tuple[
    Annotated[int, Field(ge=0, le=255)],
    Annotated[int, Field(ge=0, le=255)],
    Annotated[int, Field(ge=0, le=255)],
]


class _Part(BaseModel):
    """Read-only, and strict about unknown keys: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


MaxBatch = Annotated[
    int | None, Field(ge=1, description="Inputs of one call at most, for graphs of a fixed batch; none: any number")
]


class TextEncoderSpec(_Part):
    """Graph from token ids and mask, int64 [batch, length], to L2-normalised float32 [batch, dimension]."""

    file: str
    tokenizer: str = Field(description="A tokenizer.json of the tokenizers library")
    max_tokens: int = Field(ge=2, description="Longer texts are cut here, special tokens included")
    padded_length: int | None = Field(
        default=None, description="Tokens that every text is padded to; none: to the longest of its batch"
    )
    pad_id: int = Field(default=0, ge=0)
    max_batch: MaxBatch = None
    ids_input: str = "input_ids"
    mask_input: str | None = "attention_mask"
    output: str = "text_embeddings"

    @model_validator(mode="after")
    def _texts_fit_the_padded_length(self) -> Self:
        if self.padded_length is not None and self.padded_length < self.max_tokens:
            raise ValueError(f"padded_length {self.padded_length} must be at least max_tokens {self.max_tokens}")
        return self


class ImageEncoderSpec(_Part):
    """Graph from float32 [batch, 3, size, size] to L2-normalised float32 [batch, dimension].

    The picture, transparency laid on `background`, is brought to size x size: stretched without keeping its
    proportions, or cropped to the square in its middle, or scaled as a whole with `padding` on two sides. Its RGB
    values are brought to 0..1, then (value - mean) / deviation.
    """

    file: str
    size: int = Field(ge=16, le=2048)
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    padding: Rgb = (0, 0, 0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    max_batch: MaxBatch = None
    input: str = "images"
    output: str = "image_embeddings"


class DetectorSpec(_Part):
    """Graph from uint8 [batch, height, width, 3] RGB to boxes [batch, cells, 4] and scores [batch, cells, classes].

    The picture is scaled so that its longer side is `size`, put into the upper left corner and padded with `padding`
    to multiples of `size_multiple`; boxes are x1 y1 x2 y2 in pixels of that padded picture.
    """

    file: str
    size: int = Field(ge=32, le=2048)
    size_multiple: int = Field(ge=1, le=128)
    padding: Rgb
    score_threshold: float = Field(gt=0, lt=1)
    iou_threshold: float = Field(gt=0, lt=1)
    max_detections: int = Field(ge=1, le=1000)
    max_batch: MaxBatch = None
    input: str = "images"
    boxes_output: str = "boxes"
    scores_output: str = "scores"

    @model_validator(mode="after")
    def _size_fits_the_multiple(self) -> Self:
        if self.size % self.size_multiple:
            raise ValueError(f"size {self.size} must be a multiple of size_multiple {self.size_multiple}")
        return self


class TritonModelNames(_Part):
    """Names of the bundle's models on Triton servers; none: made of the bundle's own name and version."""

    text_encoder: TritonModelName | None = None
    document_encoder: TritonModelName | None = None
    image_encoder: TritonModelName | None = None
    detector: TritonModelName | None = None
    ensemble: TritonModelName | None = Field(default=None, description="From a picture file to detections and vectors")


class BundleFile(_Part):
    """One file of the bundle."""

    path: str
    sha256: Sha256
    licence: str = Field(min_length=1)
    origin: str = Field(min_length=1, description="Where the file comes from and how it was made")

    @field_validator("path")
    @classmethod
    def _stays_in_the_folder(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts or "\\" in path:
            raise ValueError(f"expected a path inside the bundle's folder, got {path!r}")
        return path


class MeasuredQuality(_Part):
    """One figure and how it was measured."""

    measure: str
    dataset: str
    value: float
    candidates: int | None = None


class BundleSpec(_Part):
    """The content of `bundle.yaml`."""

    format: Literal[1]
    name: BundleName
    version: BundleName
    space: SpaceName = Field(description="Vectors are comparable only within one space")
    dimension: int = Field(ge=1, le=8192)
    metric: Literal["cosine", "dot", "l2"]
    description: str
    background: Rgb = Field((255, 255, 255), description="What transparency is laid on")
    text_encoder: TextEncoderSpec | None = None
    document_encoder: TextEncoderSpec | None = Field(
        default=None, description="Of texts that are to be found, where they are not encoded as those that search"
    )
    image_encoder: ImageEncoderSpec | None = None
    detector: DetectorSpec | None = None
    classes: list[str] = Field(default_factory=list, description="Names of the detector's classes, in order")
    triton: TritonModelNames = Field(default_factory=TritonModelNames)
    provenance: str
    quality_method: str = ""
    quality: list[MeasuredQuality] = Field(default_factory=list)
    files: list[BundleFile] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        listed = [file.path for file in self.files]
        if len(set(listed)) != len(listed):
            raise ValueError("a file is listed twice under `files`")
        missing = sorted(self._needed_files() - set(listed))
        if missing:
            raise ValueError(f"`files` must list every file that is used; missing: {', '.join(missing)}")
        if self.text_encoder is None and self.image_encoder is None:
            raise ValueError("a bundle needs a text_encoder or an image_encoder")
        if self.document_encoder is not None and self.text_encoder is None:
            raise ValueError("a bundle with a document_encoder needs a text_encoder, for those that search")
        if self.detector is not None and not self.classes:
            raise ValueError("a bundle with a detector needs `classes`")
        return self

    def _needed_files(self) -> set[str]:
        needed: set[str] = set()
        for encoder in (self.text_encoder, self.document_encoder):
            if encoder is not None:
                needed |= {encoder.file, encoder.tokenizer}
        if self.image_encoder is not None:
            needed.add(self.image_encoder.file)
        if self.detector is not None:
            needed.add(self.detector.file)
        return needed
