"""The folder of a run: what lies where."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from sightwire_trainer.configuration import TrainingConfiguration
from sightwire_trainer.data.card import DatasetCard


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Everything that a run writes is in here."""

    path: Path

    @property
    def configuration(self) -> Path:
        """The configuration as it was run, with all defaults, which can be trained with again."""
        return self.path / "configuration.yaml"

    @property
    def log(self) -> Path:
        """A line of JSON for each step and evaluation."""
        return self.path / "log.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def card(self) -> Path:
        """What the run was trained on: counts, licences, hashes."""
        return self.path / "dataset-card.json"

    @property
    def bundles(self) -> Path:
        """The model bundle made of the best weights lies in a folder of its own here."""
        return self.path / "bundles"

    def begin(self, configuration: TrainingConfiguration) -> None:
        """Makes the folder and writes the configuration into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        content = yaml.safe_dump(configuration.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        self.configuration.write_text(content, encoding="utf-8")

    def write_card(self, card: DatasetCard) -> None:
        self.card.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def read_card(self) -> DatasetCard:
        return DatasetCard.model_validate_json(self.card.read_bytes())

    def forget_log(self) -> None:
        """A run that begins anew has a log and curves of its own."""
        self.log.unlink(missing_ok=True)
        for events in self.tensorboard.glob("events.*"):
            events.unlink()
