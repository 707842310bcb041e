"""How weights move, at which rates, how long, and what is kept of them."""

from typing import Annotated

from pydantic import Field

from sightwire_trainer.configuration.parts import Count, Part, Positive, Share


class OptimiserConfiguration(Part):
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


class HeadFirst(Part):
    """Before the first epoch the head learns alone, by features of unchanged pictures that are computed once.

    Probing before fine-tuning (Kumar et al. 2022), as `frozen_trunk_epochs` does with changed pictures, which take
    thirty times as long. The objective is the run's, without its queue and teachers.
    """

    steps: Count = 500
    batch_size: Annotated[int, Field(ge=2)] = Field(default=256, description="Of all processes together")
    rate: Positive = 1e-3
    warmup: Share = Field(default=0.06, description="Share of these steps")
    size: int | None = Field(default=None, ge=32, le=1024, description="Pixels of each side; none: the model's")


class AveragingConfiguration(Part):
    """An exponential moving average of the weights, which is what is evaluated and exported."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    begin: Share = Field(default=0.5, description="Share of all steps before averaging begins")


class PictureSize(Part):
    """From when on pictures have which size in training."""

    begin: Share = Field(description="Share of all steps")
    size: int = Field(ge=32, le=1024, description="Pixels of each side")


class EarlyStopping(Part):
    """Ends a run that gets no better."""

    patience: Count = Field(default=5, description="Evaluations without a better measure")
    smallest_gain: Annotated[float, Field(ge=0)] = 0.0


class CheckpointConfiguration(Part):
    """When the state of a run is written, and how many older ones are kept beside the best and the last."""

    every_steps: Count = 200
    keep: int = Field(default=1, ge=0)
