"""What a step minimises."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sightwire.contracts.names import CollectionName
from sightwire_trainer.configuration.parts import Count, Part, Positive, Share


class MomentumQueue(Part):
    """MoCo: a second model that follows the first gives the negatives of many batches (He et al. 2020)."""

    size: Count = 4096
    momentum: Share = 0.995


class HardNegatives(Part):
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


class ObjectiveConfiguration(Part):
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
