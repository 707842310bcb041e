"""The whole of a training run's configuration."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from sightwire.bundles.spec import BundleName
from sightwire.contracts.names import SpaceName
from sightwire_trainer.configuration.data import AugmentationConfiguration, CaptionConfiguration, DataConfiguration
from sightwire_trainer.configuration.model import ModelConfiguration
from sightwire_trainer.configuration.objective import ObjectiveConfiguration
from sightwire_trainer.configuration.parts import Count, Part
from sightwire_trainer.configuration.schedule import (
    AveragingConfiguration,
    CheckpointConfiguration,
    EarlyStopping,
    HeadFirst,
    OptimiserConfiguration,
    PictureSize,
)


class TrainingConfiguration(Part):
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

    @model_validator(mode="after")
    def _something_learns(self) -> Self:
        if not self.epochs and self.head_first is None:
            raise ValueError("nothing learns in 0 `epochs` without `head_first`")
        return self
