"""Before which epochs hard negatives are mined."""

from sightwire_trainer.configuration import HardNegatives


def is_mined_before(epoch: int, configuration: HardNegatives) -> bool:
    """Whether an epoch, counted from 0, begins with hard negatives of its own."""
    since_first = epoch - configuration.begin
    return since_first >= 0 and since_first % configuration.every == 0


def next_mining_after(epoch: int, configuration: HardNegatives) -> int:
    """The first epoch after this one that begins with hard negatives of its own."""
    if epoch < configuration.begin:
        return configuration.begin
    minings = (epoch - configuration.begin) // configuration.every + 1
    return configuration.begin + minings * configuration.every
