"""What is told and asked while a collection moves to another model."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from sightwire.contracts.names import CollectionName, ItemId, SpaceName


class CanaryObservation(BaseModel):
    """Message on `canary.<collection>`: a query that both the collection's index and its shadow answered."""

    model_config = ConfigDict(frozen=True, title="CanaryObservation")

    collection: CollectionName
    shadow: CollectionName
    query: str = Field(description="Id of the query, which clicks refer to")
    #: Which of the two the caller got.
    answered_by_shadow: bool
    #: Share of the first results, at most ten, that both have.
    overlap: float = Field(ge=0.0, le=1.0)
    seconds: NonNegativeFloat = Field(description="Of the index that answers so far, embedding included")
    shadow_seconds: NonNegativeFloat
    #: Why the shadow could not answer; the caller then got the answer of the other.
    shadow_error: str | None = None
    observed_at: AwareDatetime


class Click(BaseModel):
    """Message on `canary.<collection>.click`: a result of a canary's query was chosen."""

    model_config = ConfigDict(frozen=True, title="Click")

    collection: CollectionName
    query: str
    item: ItemId
    #: Position among the results, from 1.
    rank: int = Field(ge=1)
    answered_by_shadow: bool
    clicked_at: AwareDatetime


class Coverage(BaseModel):
    """How far a shadow has the items of its collection, by comparing ids and versions of both indexes."""

    model_config = ConfigDict(frozen=True)

    collection: CollectionName
    shadow: CollectionName
    space: SpaceName
    #: Manifest versions that were compared, and up to which message of the log each has come.
    manifest_version: NonNegativeInt
    shadow_manifest_version: NonNegativeInt
    checkpoint: NonNegativeInt
    shadow_checkpoint: NonNegativeInt
    items: NonNegativeInt
    shadow_items: NonNegativeInt
    #: Items that the shadow has not, or only in an older version.
    missing: NonNegativeInt
    #: Items that the shadow has and the collection has not, or only in an older version.
    surplus: NonNegativeInt
    #: The first of them, as many as were asked for.
    missing_ids: tuple[str, ...] = ()
    surplus_ids: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether both have the same items in the same versions."""
        return self.missing == 0 and self.surplus == 0
