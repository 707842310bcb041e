"""What a doctor finds about a whole platform."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from sightwire.contracts.control import Diagnosis, Finding


class PlatformDiagnosis(BaseModel):
    """Findings about the platform, and about each collection by the indexer that owns it."""

    model_config = ConfigDict(frozen=True)

    findings: tuple[Finding, ...] = Field(description="Of the platform as a whole")
    collections: tuple[Diagnosis, ...] = ()

    def by_subject(self) -> Iterator[tuple[str, Finding]]:
        """Every finding with the collection that it is about, or `platform`."""
        for finding in self.findings:
            yield "platform", finding
        for diagnosis in self.collections:
            for finding in diagnosis.findings:
                yield diagnosis.collection, finding
