"""What is trained on, and what becomes of it on the way: sources, captions, augmentation."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sightwire.contracts.names import CollectionName
from sightwire_trainer.configuration.parts import Count, Part, Positive, Share


class TarSource(Part):
    """A WebDataset tar: `KEY.webp` (or png, jpg) beside `KEY.json`: name, keywords, concept, source, licence …"""

    kind: Literal["tar"] = "tar"
    path: Path


class FolderSource(Part):
    """A folder of pictures and a table with the columns file, name and, if wanted, the others of a tar's JSON."""

    kind: Literal["folder"] = "folder"
    path: Path
    captions: Path = Field(description="CSV, JSONL or Parquet, in the folder or anywhere else")


class CollectionSource(Part):
    """Items of a collection of the platform: their pictures, captions and tags."""

    kind: Literal["collection"] = "collection"
    name: CollectionName
    gateway: str = Field(default="http://127.0.0.1:8200", description="URL of the gateway")


Source = Annotated[TarSource | FolderSource | CollectionSource, Field(discriminator="kind")]


class DataConfiguration(Part):
    """What is trained on, what is kept apart to tune by, and what must never be seen."""

    train: tuple[Source, ...] = Field(min_length=1)
    validation: tuple[Source, ...] = Field(default=(), description="None: concepts are carved out of `train`")
    validation_concepts: Share = Field(default=0.05, description="Share of the concepts to carve out")
    held_out: tuple[Source, ...] = Field(default=(), description="Evaluation sets: their near-duplicates are left out")
    near_duplicate_bits: int = Field(
        default=6, ge=0, le=32, description="Of 64, of the perceptual hash, that may differ"
    )
    skip_corrupt: bool = Field(default=False, description="Leave unreadable samples out, counted, instead of stopping")
    workers: int = Field(default=2, ge=0, description="Threads that decode pictures")
    loaded_size: int | None = Field(
        default=None,
        ge=32,
        le=1024,
        description="Pixels of each side before augmentation, more than the model's to keep enlarged drawings sharp; "
        "none: the model's",
    )
    cache_bytes: int = Field(default=2 * 1024**3, ge=0, description="Decoded pictures kept in memory at most")


class CaptionConfiguration(Part):
    """Which caption of a sample an epoch sees: shares of each form, of which those a sample lacks are its name."""

    name: Share = 0.4
    name_and_keywords: Share = 0.3
    keywords: Share = 0.3
    description: Share = 0.0
    keywords_at_most: Count = 3
    variants: int = Field(
        default=0,
        ge=0,
        description="So many choices of a sample's keywords return in all epochs, which a frozen text tower encodes "
        "once; 0: others in each epoch",
    )


class AugmentationConfiguration(Part):
    """Changes of pictures in training; all zero for none. Angles in degrees, shares of the picture's side."""

    rotation: float = Field(default=15.0, ge=0, le=180)
    translation: Share = 0.1
    scale: tuple[Positive, Positive] = (0.75, 1.2)
    shear: float = Field(default=8.0, ge=0, le=60)
    flip: Share = 0.5
    brightness: Share = 0.3
    contrast: Share = 0.3
    saturation: Share = 0.4
    hue: Share = 0.05
    grey: Share = 0.15
    erase: Share = 0.0
    background: Share = Field(default=0.0, description="How often white around the drawing becomes another colour")
    stretch: Share = Field(default=0.0, description="How much wider, or narrower, a picture becomes than it is high")
    any_hue: Share = Field(default=0.0, description="How often colours turn by any angle rather than by up to `hue`")
    outline: Share = Field(default=0.0, description="How often only dark lines on white are left of a drawing")
    invert: Share = Field(default=0.0, description="How often black becomes white and white black")
