"""The training configuration that a search varies."""

import copy
from collections.abc import Mapping
from pathlib import Path

from sightwire_trainer.configuration import TrainingConfiguration, parse_configuration, read_content
from sightwire_trainer.hyperparameters.ranges import Range, Value
from sightwire_trainer.laying_over import lay_over


class BaseConfiguration:
    """A training configuration of which some keys are searched for."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._content = read_content(path)
        self.configuration = parse_configuration(self._content, base=self._path.parent, name=str(path))

    def with_values(self, values: Mapping[str, Value]) -> TrainingConfiguration:
        """The configuration with other values at paths such as `optimiser.head_rate`.

        Raises:
            InvalidInputError: it is none then; the message says why.
        """
        content = copy.deepcopy(self._content)
        for path, value in values.items():
            lay_over(content, path, value)
        shown = ", ".join(f"{path}={value}" for path, value in values.items())
        return parse_configuration(content, base=self._path.parent, name=f"{self._path.name} with {shown}")

    def require_fitting(self, parameters: Mapping[str, Range]) -> None:
        """Tries both ends of each range, and each choice, so that no trial fails for want of a good space file.

        Raises:
            InvalidInputError: a path or a value does not fit a training configuration.
        """
        for path, range_ in parameters.items():
            for value in range_.corners:
                self.with_values({path: value})
