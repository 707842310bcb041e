"""Towers: trunks of pictures, encoders of texts, and the model that they make."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sightwire_trainer.configuration.parts import Count, Part, Share


class DetectorTrunk(Part):
    """The default detector's backbone with its pretrained weights (NanoDet-m's, 3.2 M parameters)."""

    kind: Literal["detector"] = "detector"
    pretrained: bool = True


class EfficientNetLiteTrunk(Part):
    """EfficientNet-Lite with ImageNet's weights, downloaded once (3.4 M parameters; variant 2: 4.8 M)."""

    kind: Literal["efficientnet_lite"] = "efficientnet_lite"
    variant: Literal[0, 2] = 0
    pretrained: bool = True
    frozen_blocks: int = Field(default=0, ge=0, description="Of the first blocks, with the stem, that never learn")
    frozen_statistics: bool = Field(
        default=True, description="Batch norms go by ImageNet's means and variances, not by those of a batch"
    )
    folded_norms: bool = Field(
        default=False,
        description="Batch norms become part of the convolutions before they learn: with frozen statistics the same "
        "function, a tenth faster",
    )
    frozen_depthwise: bool = Field(
        default=False,
        description="Depthwise convolutions never learn: on a CPU their gradients cost the most and move the least",
    )
    drop_path: Share = Field(default=0.0, description="How often the last block is skipped; those before, less")

    @model_validator(mode="after")
    def _folded_norms_have_no_statistics(self) -> Self:
        if self.folded_norms and not self.frozen_statistics:
            raise ValueError("`folded_norms` keep the statistics that they had: leave `frozen_statistics` true")
        return self


class ConvNetTrunk(Part):
    """A small ConvNet from scratch, of ConvNeXt's blocks."""

    kind: Literal["convnet"] = "convnet"
    depths: tuple[Count, ...] = (2, 2, 6, 2)
    widths: tuple[Count, ...] = (48, 96, 192, 384)


class VitTrunk(Part):
    """A small vision transformer from scratch."""

    kind: Literal["vit"] = "vit"
    patch: Count = 16
    width: Count = 192
    depth: Count = 8
    heads: Count = 3


class OpenClipTower(Part):
    """A tower of an open_clip model, by the library's name for it."""

    kind: Literal["open_clip"] = "open_clip"
    name: str = "MobileCLIP2-S2"
    pretrained: str | None = Field(default=None, description="A tag of open_clip or a file; none: random weights")


class FrozenMiniLm(Part):
    """all-MiniLM-L6-v2 as it is: text vectors stay comparable with those of the default bundle."""

    kind: Literal["minilm"] = "minilm"


class TextTransformer(Part):
    """A small text transformer from scratch, over MiniLM's tokens."""

    kind: Literal["transformer"] = "transformer"
    width: Count = 256
    depth: Count = 4
    heads: Count = 4
    max_tokens: Count = 64


ImageTrunk = Annotated[
    DetectorTrunk | EfficientNetLiteTrunk | ConvNetTrunk | VitTrunk | OpenClipTower, Field(discriminator="kind")
]
TextEncoder = Annotated[FrozenMiniLm | TextTransformer | OpenClipTower, Field(discriminator="kind")]


class ModelConfiguration(Part):
    """Two towers into one space. Text-text encoders have a `documents` tower in the place of a trunk for pictures."""

    image: ImageTrunk | None = Field(default_factory=DetectorTrunk)
    documents: TextEncoder | None = Field(default=None, description="Tower of the documents of text-text pairs")
    text: TextEncoder = Field(default_factory=FrozenMiniLm)
    size: int = Field(default=128, ge=32, le=1024, description="Pixels of each side of a picture")
    dimension: int = Field(default=384, ge=8, le=4096)
    head_widths: tuple[Count, ...] = Field(default=(768,), description="Hidden widths of the head after the trunk")
    dropout: Share = 0.0
    gradient_checkpointing: bool = False
    bundle: Path | None = Field(
        default=None,
        description="Holds MiniLM, its tokenizer and the detector; none: SIGHTWIRE_MODEL_BUNDLE or the default one",
    )
    init_from: Path | None = Field(
        default=None, description="Image encoder to go on from: a bundle's folder or an ONNX file of the same layers"
    )

    @model_validator(mode="after")
    def _has_one_kind_of_document(self) -> Self:
        if (self.image is None) == (self.documents is None):
            raise ValueError("a model has either an `image` trunk or a `documents` tower")
        return self
