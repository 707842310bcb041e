"""What somebody asks for who moves a collection to another model."""

from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from sightwire.contracts.model_control import ModelReference
from sightwire.contracts.names import CollectionName, ItemId
from sightwire.contracts.validation import GateThresholds

#: Queries after which a canary ends, unless something else is asked for.
CANARY_QUERIES: Final = 200

_MAX_QUERIES: Final = 10_000


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelledQuery(_Value):
    """A text, and the items that answer it."""

    query: str = Field(min_length=1)
    relevant: tuple[ItemId, ...] = Field(min_length=1)


class InlineQueries(_Value):
    """The queries themselves."""

    kind: Literal["inline"]
    queries: tuple[LabelledQuery, ...] = Field(min_length=1, max_length=_MAX_QUERIES)


class QueriesInFile(_Value):
    """A file with a JSON object a line, on the machine of the worker."""

    kind: Literal["file"]
    path: str = Field(min_length=1)


class QueriesInBlob(_Value):
    """Such a file in the blob store."""

    kind: Literal["blob"]
    key: str = Field(min_length=1)


QuerySource = Annotated[InlineQueries | QueriesInFile | QueriesInBlob, Discriminator("kind")]


class CanaryThresholds(_Value):
    """What a canary must hold."""

    min_queries: PositiveInt = Field(default=20, description="Fewer say nothing")
    min_overlap: float = Field(default=0.2, ge=0, le=1, description="Mean share of first results that both have")
    max_errors: float = Field(default=0.01, ge=0, le=1, description="Share of queries that it could not answer")
    max_latency_ratio: PositiveFloat = Field(default=2.0, description="Its median time, to that of the other index")

    def require_enough(self, queries: int) -> None:
        """Raises ValueError when a canary that ends after so many queries could never hold."""
        if queries < self.min_queries:
            raise ValueError(
                f"a canary of {queries} queries can never have the {self.min_queries} that its thresholds ask for "
                "(`min_queries`)"
            )


class MigrationPlan(_Value):
    """A collection is to move to a model; what is null is as the pipeline `migrate-collection` says."""

    collection: CollectionName
    model: ModelReference
    items_per_second: PositiveFloat | None = Field(default=None, description="Of the filling; null: as many as can be")
    allowed_missing: NonNegativeInt | None = Field(
        default=None, description="Items that may lack, such as those that the new model cannot embed"
    )
    gates: GateThresholds | None = Field(default=None, description="Of the index")
    labelled_queries: QuerySource | None = Field(default=None, description="Queries whose answers are known")
    tolerance: float | None = Field(default=None, ge=0, le=1, description="By which recall and nDCG may be lower")
    queries: tuple[str, ...] | None = Field(
        default=None, max_length=_MAX_QUERIES, description="Whose answers are compared; none: captions of items"
    )
    min_overlap: float | None = Field(default=None, ge=0, le=1, description="Mean share of answers that both have")
    review: bool = Field(default=False, description="Whether a reviewer of `models` decides")
    canary_share: float | None = Field(
        default=None, ge=0, le=1, description="Of queries that the new model answers for a while"
    )
    canary_queries: PositiveInt | None = Field(default=None, description="After which the canary ends")
    canary_seconds: PositiveFloat | None = Field(default=None, description="After which it ends at the latest")
    canary_thresholds: CanaryThresholds | None = None
    keep_hours: NonNegativeFloat | None = Field(default=None, description="That the old index is kept")

    @model_validator(mode="after")
    def _canary_can_be_judged(self) -> Self:
        if self.canary_share:
            thresholds = self.canary_thresholds or CanaryThresholds()
            thresholds.require_enough(self.canary_queries or CANARY_QUERIES)
        return self

    def parameters(self) -> dict[str, JsonValue]:
        """Of a run of `migrate-collection`."""
        given: dict[str, JsonValue] = self.model_dump(mode="json", exclude_none=True)
        return given
