"""Whether the parts of a configuration fit each other, as far as can be said before anything is opened."""

from sightwire.errors import ConfigurationError
from sightwire_trainer.configuration import (
    DetectorTrunk,
    FrozenMiniLm,
    OpenClipTower,
    TrainingConfiguration,
    VitTrunk,
)


def require_feasible(configuration: TrainingConfiguration) -> None:
    """Does nothing when they do.

    Raises:
        ConfigurationError: they do not; the message names the keys and what to do.
    """
    objective, model = configuration.objective, configuration.model
    if objective.distillation and not objective.teachers:
        raise ConfigurationError("`objective.distillation` needs the folders of bundles as `objective.teachers`")
    if objective.all_names and not isinstance(model.text, FrozenMiniLm):
        raise ConfigurationError(
            "`objective.all_names` compares with vectors of names that must not change: set `model.text: {kind: "
            "minilm}`, or leave it out"
        )
    if configuration.optimiser.frozen_trunk_epochs and model.image is None:
        raise ConfigurationError("`optimiser.frozen_trunk_epochs` is for an `image` trunk, which this model has not")
    if configuration.head_first is not None and (model.image is None or isinstance(model.image, OpenClipTower)):
        raise ConfigurationError("`head_first` is for an `image` trunk with a head, which this model has not")
    _require_sizes(configuration)


def _require_sizes(configuration: TrainingConfiguration) -> None:
    trunk, sizes = configuration.model.image, [part.size for part in configuration.sizes]
    if sizes and (trunk is None or isinstance(trunk, VitTrunk | OpenClipTower)):
        kind = trunk.kind if trunk else "model without one"
        raise ConfigurationError(
            f"`sizes` are for trunks that take pictures of any size, not for {kind}: leave them out"
        )
    if isinstance(trunk, DetectorTrunk) and (odd := [size for size in sizes if size % 32]):
        raise ConfigurationError(f"the detector's trunk takes sizes that are multiples of 32; `sizes` has {odd[0]}")
