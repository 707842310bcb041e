"""A training run, described: the content of a configuration file in YAML."""

from sightwire_trainer.configuration.data import (
    AugmentationConfiguration,
    CaptionConfiguration,
    CollectionSource,
    DataConfiguration,
    FolderSource,
    Source,
    TarSource,
)
from sightwire_trainer.configuration.model import (
    ConvNetTrunk,
    DetectorTrunk,
    EfficientNetLiteTrunk,
    FrozenMiniLm,
    ImageTrunk,
    ModelConfiguration,
    OpenClipTower,
    TextEncoder,
    TextTransformer,
    VitTrunk,
)
from sightwire_trainer.configuration.objective import HardNegatives, MomentumQueue, ObjectiveConfiguration
from sightwire_trainer.configuration.reading import parse_configuration, read_configuration, read_content
from sightwire_trainer.configuration.run import TrainingConfiguration
from sightwire_trainer.configuration.schedule import (
    AveragingConfiguration,
    CheckpointConfiguration,
    EarlyStopping,
    HeadFirst,
    OptimiserConfiguration,
    PictureSize,
)

__all__ = [
    "AugmentationConfiguration",
    "AveragingConfiguration",
    "CaptionConfiguration",
    "CheckpointConfiguration",
    "CollectionSource",
    "ConvNetTrunk",
    "DataConfiguration",
    "DetectorTrunk",
    "EarlyStopping",
    "EfficientNetLiteTrunk",
    "FolderSource",
    "FrozenMiniLm",
    "HardNegatives",
    "HeadFirst",
    "ImageTrunk",
    "ModelConfiguration",
    "MomentumQueue",
    "ObjectiveConfiguration",
    "OpenClipTower",
    "OptimiserConfiguration",
    "PictureSize",
    "Source",
    "TarSource",
    "TextEncoder",
    "TextTransformer",
    "TrainingConfiguration",
    "VitTrunk",
    "parse_configuration",
    "read_configuration",
    "read_content",
]
