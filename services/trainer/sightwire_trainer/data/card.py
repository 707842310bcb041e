"""What a model was trained on, as it is written beside its run and into its bundle."""

from collections import Counter
from collections.abc import Mapping, Sequence

import yaml
from pydantic import BaseModel, ConfigDict, Field

from sightwire_trainer.data.examination import ExaminedSample

_UNKNOWN = "unknown"


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleCounts(_Card):
    """How many samples there are, of what; the most frequent first."""

    samples: int
    concepts: int
    origins: dict[str, int]
    licences: dict[str, int]


class SourceCard(_Card):
    """A source as it was opened."""

    name: str
    kind: str
    sha256: str = Field(description="Of its tar; of a folder, of its table and pictures")
    part: str = Field(description="What it was named for: train, validation or held_out")
    counts: SampleCounts = Field(description="Of its samples that can be read")


class LeftOut(_Card):
    """Samples that were not trained on."""

    reason: str
    samples: int
    examples: tuple[str, ...] = Field(default=(), description="Some of their keys, or what was wrong with them")


class DatasetCard(_Card):
    """Everything that a model was trained on, tuned by and kept from."""

    train: SampleCounts
    validation: SampleCounts
    sources: tuple[SourceCard, ...]
    left_out: tuple[LeftOut, ...]

    def as_yaml(self) -> str:
        """The card as a YAML document."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)

    def as_markdown(self) -> str:
        """The card for people, with headings of the second level."""
        parts = {"training": self.train, "validation": self.validation}
        sections = [
            _table(
                "## Samples",
                ("part", "samples", "concepts"),
                [(part, counts.samples, counts.concepts) for part, counts in parts.items()],
            ),
            _table(
                "## Origins and licences of the training",
                ("", "samples"),
                [*self.train.origins.items(), *self.train.licences.items()],
            ),
            _table("## Left out", ("reason", "samples"), [(part.reason, part.samples) for part in self.left_out]),
            _table(
                "## Sources",
                ("source", "for", "samples", "sha256"),
                [(source.name, source.part, source.counts.samples, source.sha256) for source in self.sources],
            ),
        ]
        return "\n\n".join(sections) + "\n"


def count_samples(samples: Sequence[ExaminedSample]) -> SampleCounts:
    """What the samples are, counted."""
    return SampleCounts(
        samples=len(samples),
        concepts=len({sample.concept for sample in samples}),
        origins=_frequencies([sample.origin for sample in samples]),
        licences=_frequencies([sample.licence for sample in samples]),
    )


def _frequencies(values: Sequence[str]) -> dict[str, int]:
    counts: Mapping[str, int] = Counter(value or _UNKNOWN for value in values)
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join([heading, "", *(f"| {' | '.join(map(_cell, line))} |" for line in lines)])


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|").replace("\n", " ")
