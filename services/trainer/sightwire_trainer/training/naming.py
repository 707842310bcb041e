"""Names of runs."""

import re
from typing import Final

from sightwire_trainer.configuration import TrainingConfiguration

_LONGEST: Final = 63


def run_name(configuration: TrainingConfiguration) -> str:
    """A name for a run that was given none: its bundle's name and version."""
    plain = re.sub(r"[^a-z0-9]+", "-", f"{configuration.name}-{configuration.version}".lower())
    return plain[:_LONGEST].strip("-")
