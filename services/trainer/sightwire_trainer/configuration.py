"""A training run, described: the content of a configuration file in YAML."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sightwire.bundles.spec import BundleName
from sightwire.contracts.names import CollectionName, SpaceName
from sightwire.errors import InvalidInputError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    """Read-only, and strict about unknown keys: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Data


class TarSource(_Part):
    """A WebDataset tar: `KEY.webp` (or png, jpg) beside `KEY.json`: name, keywords, concept, source, licence …"""

    kind: Literal["tar"] = "tar"
    path: Path


class FolderSource(_Part):
    """A folder of pictures and a table with the columns file, name and, if wanted, the others of a tar's JSON."""

    kind: Literal["folder"] = "folder"
    path: Path
    captions: Path = Field(description="CSV, JSONL or Parquet, in the folder or anywhere else")


class CollectionSource(_Part):
    """Items of a collection of the platform: their pictures, captions and tags."""

    kind: Literal["collection"] = "collection"
    name: CollectionName
    gateway: str = Field(default="http://127.0.0.1:8200", description="URL of the gateway")


Source = Annotated[TarSource | FolderSource | CollectionSource, Field(discriminator="kind")]


class DataConfiguration(_Part):
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


class CaptionConfiguration(_Part):
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


class AugmentationConfiguration(_Part):
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


# Model


class DetectorTrunk(_Part):
    """The default detector's backbone with its pretrained weights (NanoDet-m's, 3.2 M parameters)."""

    kind: Literal["detector"] = "detector"
    pretrained: bool = True


class EfficientNetLiteTrunk(_Part):
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


class ConvNetTrunk(_Part):
    """A small ConvNet from scratch, of ConvNeXt's blocks."""

    kind: Literal["convnet"] = "convnet"
    depths: tuple[Count, ...] = (2, 2, 6, 2)
    widths: tuple[Count, ...] = (48, 96, 192, 384)


class VitTrunk(_Part):
    """A small vision transformer from scratch."""

    kind: Literal["vit"] = "vit"
    patch: Count = 16
    width: Count = 192
    depth: Count = 8
    heads: Count = 3


class OpenClipTower(_Part):
    """A tower of an open_clip model, by the library's name for it."""

    kind: Literal["open_clip"] = "open_clip"
    name: str = "MobileCLIP2-S2"
    pretrained: str | None = Field(default=None, description="A tag of open_clip or a file; none: random weights")


class FrozenMiniLm(_Part):
    """all-MiniLM-L6-v2 as it is: text vectors stay comparable with those of the default bundle."""

    kind: Literal["minilm"] = "minilm"


class TextTransformer(_Part):
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


class ModelConfiguration(_Part):
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


# Training


class MomentumQueue(_Part):
    """MoCo: a second model that follows the first gives the negatives of many batches (He et al. 2020)."""

    size: Count = 4096
    momentum: Share = 0.995


class HardNegatives(_Part):
    """The nearest wrong answers of samples, mined again and again while training, come into the same batches.

    Wrong answers of an index of the collection (ANCE: Xiong et al. 2021) or of the model itself; in the batch they are
    negatives for all its samples (DPR: Karpukhin et al. 2020).
    """

    collection: CollectionName | None = Field(
        default=None,
        description="A live collection that is asked, by its own vectors: its items' ids are the samples' keys; "
        "none: the model as it is then, exactly",
    )
    gateway: str = Field(default="http://127.0.0.1:8200", description="URL of the gateway of the collection")
    fields: tuple[str, ...] | None = Field(default=None, description="Searched in the collection; none: its default")
    depth: int = Field(default=50, ge=1, le=1000, description="Answers that the collection is asked for, right or not")
    ask_by: Literal["caption", "document"] = Field(default="caption", description="What is asked with of each sample")
    per_sample: Count = 1
    skip: int = Field(
        default=0, ge=0, description="Nearest wrong answers to pass over: often they are right, and nobody said so"
    )
    share: Share = Field(default=1.0, description="Of the samples that bring theirs into the batch, each epoch others")
    begin: int = Field(default=1, ge=0, description="Epoch, counted from 0, before which is mined first")
    every: Count = Field(default=1, description="Epochs from one mining to the next")


class ObjectiveConfiguration(_Part):
    """Symmetric InfoNCE, in the batch or with a queue; several positives count as such."""

    temperature: Positive = 0.07
    learn_temperature: bool = True
    queue: MomentumQueue | None = None
    hard_negatives: HardNegatives | None = None
    label_smoothing: Share = 0.0
    all_names: bool = Field(
        default=False,
        description="Documents must tell their caption from the names of all concepts, not only from those of the "
        "batch; for a frozen text tower",
    )
    soft_targets: Share = Field(
        default=0.0, description="Share of what is wanted that follows the likeness of captions"
    )
    soft_target_temperature: Positive = Field(default=0.05, description="What cosines of captions are divided by")
    concept_contrast: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Weight of a second loss, by which documents find the others of their concept"
    )
    distillation: Share = Field(default=0.0, description="Share of the loss that follows the teachers")
    teachers: tuple[Path, ...] = Field(default=(), description="Bundles whose image vectors, averaged, are followed")


class OptimiserConfiguration(_Part):
    """AdamW with a warm-up and a cosine."""

    trunk_rate: Positive = 2e-4
    head_rate: Positive = 1e-3
    text_rate: Positive = 5e-5
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup: Share = Field(default=0.05, description="Share of all steps")
    final_rate: Share = Field(default=0.01, description="Share of the rate that is left at the end")
    clip_norm: Annotated[float, Field(ge=0)] = Field(default=1.0, description="0: gradients are not clipped")
    frozen_trunk_epochs: int = Field(
        default=0,
        ge=0,
        description="First epochs, in which the trunk does not learn; then it warms up on its own (Kumar et al. 2022)",
    )


class HeadFirst(_Part):
    """Before the first epoch the head learns alone, by features of unchanged pictures that are computed once.

    Probing before fine-tuning (Kumar et al. 2022), as `frozen_trunk_epochs` does with changed pictures, which take
    thirty times as long. The objective is the run's, without its queue and teachers.
    """

    steps: Count = 500
    batch_size: Annotated[int, Field(ge=2)] = Field(default=256, description="Of all processes together")
    rate: Positive = 1e-3
    warmup: Share = Field(default=0.06, description="Share of these steps")
    size: int | None = Field(default=None, ge=32, le=1024, description="Pixels of each side; none: the model's")


class AveragingConfiguration(_Part):
    """An exponential moving average of the weights, which is what is evaluated and exported."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    begin: Share = Field(default=0.5, description="Share of all steps before averaging begins")


class PictureSize(_Part):
    """From when on pictures have which size in training."""

    begin: Share = Field(description="Share of all steps")
    size: int = Field(ge=32, le=1024, description="Pixels of each side")


class EarlyStopping(_Part):
    """Ends a run that gets no better."""

    patience: Count = Field(default=5, description="Evaluations without a better measure")
    smallest_gain: Annotated[float, Field(ge=0)] = 0.0


class CheckpointConfiguration(_Part):
    """When the state of a run is written, and how many older ones are kept beside the best and the last."""

    every_steps: Count = 200
    keep: int = Field(default=1, ge=0)


class TrainingConfiguration(_Part):
    """The content of a training configuration file."""

    name: BundleName = Field(description="Of the bundle that is made")
    version: BundleName
    space: SpaceName = Field(description="Vectors are comparable only within one space")
    description: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    epochs: int = Field(default=26, ge=0, description="0: only the head learns, as `head_first` says")
    batch_size: Count = Field(default=256, description="Of one process, for one backward pass")
    accumulate: Count = Field(default=1, description="Batches for one step of the optimiser")
    pictures_per_concept: Count = Field(
        default=1, description="So many of one concept, or fewer, are brought together into a batch"
    )
    sizes: tuple[PictureSize, ...] = Field(
        default=(), description="Of pictures in training, small ones first; none: the model's throughout"
    )
    begin_with: Path | None = Field(
        default=None, description="Folder of a run of the same model, whose best weights this one begins with"
    )
    head_first: HeadFirst | None = Field(default=None, description="Left out in runs that `begin_with` another")
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    evaluate_every: Count = Field(default=1, description="Epochs between two evaluations on the validation set")
    select_by: str = Field(default="text_to_image_recall_at_1", description="Measure by which the best is chosen")
    data: DataConfiguration
    captions: CaptionConfiguration = CaptionConfiguration()
    augmentation: AugmentationConfiguration = AugmentationConfiguration()
    model: ModelConfiguration = ModelConfiguration()
    objective: ObjectiveConfiguration = ObjectiveConfiguration()
    optimiser: OptimiserConfiguration = OptimiserConfiguration()
    averaging: AveragingConfiguration | None = None
    early_stopping: EarlyStopping | None = None
    checkpoints: CheckpointConfiguration = CheckpointConfiguration()

    @model_validator(mode="after")
    def _sizes_begin_with_the_run(self) -> Self:
        begins = [part.begin for part in self.sizes]
        if begins and (begins[0] != 0 or begins != sorted(begins)):
            raise ValueError(f"`sizes` must begin at 0 and go on from there; they begin at {begins}")
        return self


def read_configuration(path: Path) -> TrainingConfiguration:
    """The configuration in a YAML file; its relative paths are of the file's folder.

    Raises:
        InvalidInputError: the file cannot be read or does not describe a run; the message says where.
    """
    return parse_configuration(read_content(path), base=path.parent, name=str(path))


def read_content(path: Path) -> object:
    """What a YAML file holds, not yet checked.

    Raises:
        InvalidInputError: the file cannot be read or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"cannot read the training configuration {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        fault = " ".join(str(error).split())
        raise InvalidInputError(f"the training configuration {path} is no YAML: {fault}") from error


def parse_configuration(content: object, *, base: Path, name: str) -> TrainingConfiguration:
    """A configuration of what YAML or JSON gave; relative paths are of `base`, `name` is for messages.

    Raises:
        InvalidInputError: it does not describe a run; the message has the path of each fault.
    """
    try:
        configuration = TrainingConfiguration.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in error.errors()
        )
        raise InvalidInputError(f"{name} does not describe a training run: {faults}") from error
    return _with_base(configuration, base)


def _with_base(configuration: TrainingConfiguration, base: Path) -> TrainingConfiguration:
    def placed(source: Source) -> Source:
        if isinstance(source, TarSource):
            return source.model_copy(update={"path": base / source.path})
        if isinstance(source, FolderSource):
            path = base / source.path
            return source.model_copy(update={"path": path, "captions": path / source.captions})
        return source

    data = configuration.data
    placed_data = data.model_copy(
        update={part: tuple(map(placed, getattr(data, part))) for part in ("train", "validation", "held_out")}
    )
    teachers = tuple(base / teacher for teacher in configuration.objective.teachers)
    objective = configuration.objective.model_copy(update={"teachers": teachers})
    model = configuration.model.model_copy(
        update={
            part: base / path
            for part in ("bundle", "init_from")
            if (path := getattr(configuration.model, part)) is not None
        }
    )
    changes: dict[str, object] = {"data": placed_data, "objective": objective, "model": model}
    if configuration.begin_with is not None:
        changes["begin_with"] = base / configuration.begin_with
    return configuration.model_copy(update=changes)
