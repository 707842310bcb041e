"""What a generation must show before it may become live, and what it showed."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

Share = Annotated[float, Field(ge=0, le=1)]


class ProbeQuery(BaseModel):
    """A search that a generation must answer as expected: by words, or near an item's own vector."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = Field(default=None, description="Words for full-text search")
    item: str | None = Field(default=None, description="Id of an item whose neighbours are wanted")
    field: str | None = Field(default=None, description="Vector field of `item`; none: the first that has a vector")
    expect: tuple[str, ...] = Field(min_length=1, description="Ids that must be among the first `k`")
    k: PositiveInt = 10


class GateThresholds(BaseModel):
    """Thresholds of the gates. Latency is compared with the live generation, in the same process and minute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: PositiveInt = Field(default=200, description="Items and vectors that sampled gates look at")
    max_count_difference: Share = Field(default=0.0, description="Share by which the number of items may differ")
    min_self_recall: Share = Field(default=0.99, description="Items whose own vector finds them first")
    min_recall: Share = Field(default=0.95, description="Recall@k against exact search")
    k: PositiveInt = Field(default=10, description="Results per query of the recall gate")
    max_latency_ratio: PositiveFloat = Field(default=2.0, description="Median latency over the live generation's")
    latency_slack_ms: float = Field(default=2.0, ge=0, description="Slower by less than this is never too slow")
    probes: tuple[ProbeQuery, ...] = Field(default=(), max_length=1000, description="Functional searches")


class GateReport(BaseModel):
    """What one gate saw."""

    model_config = ConfigDict(frozen=True)

    gate: Literal[
        "structure", "dimension", "count", "functional", "self_recall", "recall", "latency", "monotonicity", "metadata"
    ]
    passed: bool
    #: What was found, in a sentence with figures.
    summary: str
    #: Figures by name, per vector field where it has several.
    measured: dict[str, Any] = Field(default_factory=dict)
    #: Which query or file failed and how, at most some dozens.
    failures: tuple[str, ...] = ()
    seconds: float = Field(default=0.0, ge=0)


class ValidationReport(BaseModel):
    """What became of a generation at the gates; kept in the blob store."""

    model_config = ConfigDict(frozen=True)

    collection: str
    generation: str
    #: The live generation that it was compared with.
    live_generation: str
    manifest_version: NonNegativeInt
    created_at: AwareDatetime
    thresholds: GateThresholds
    gates: tuple[GateReport, ...]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def failures(self) -> list[str]:
        """Each failed gate with what failed in it."""
        return [f"{gate.gate}: {gate.summary}" for gate in self.gates if not gate.passed]
