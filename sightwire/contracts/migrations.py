"""What is told and asked while a collection moves to another model."""

from enum import StrEnum
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from sightwire.contracts.models import ModelId
from sightwire.contracts.names import CollectionName, ItemId, SpaceName
from sightwire.contracts.pipelines import RunId


class MigrationState(StrEnum):
    """How a migration stands."""

    #: Its run goes on; the collection answers as before.
    RUNNING = "running"
    #: The new index answers.
    PROMOTED = "promoted"
    #: The new index answered for a while, and the old one does again.
    ROLLED_BACK = "rolled_back"
    #: It ended before anything was changed.
    ABANDONED = "abandoned"


class Filling(BaseModel):
    """How far the items that a collection had are on their way into its shadow."""

    model_config = ConfigDict(frozen=True)

    #: Items that were sent for embedding, of those that the collection had when the filling began.
    sent: NonNegativeInt = 0
    total: NonNegativeInt = 0
    #: Of those sent, about how many wait.
    waiting: NonNegativeInt = 0
    #: Where to go on in the list of items; empty at its start.
    page_token: str = ""
    is_done: bool = False
    #: Items a second, of late; 0 while unknown.
    rate: NonNegativeFloat = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until all are embedded, as fast as it goes; None when it is done, or that is not known yet."""
        if self.is_done or not self.rate:
            return None
        return (self.total - self.sent + self.waiting) / self.rate


class Migration(BaseModel):
    """Value of the `migrations` bucket: a collection's move to another model. Its key is `<collection>.<shadow>`."""

    model_config = ConfigDict(frozen=True)

    collection: CollectionName
    collection_uid: str
    shadow: CollectionName
    #: The index that answered when it began: the collection's own, or that of an earlier shadow.
    source: CollectionName
    model: ModelId
    space: SpaceName
    run: RunId
    state: MigrationState = MigrationState.RUNNING
    filling: Filling = Filling()
    started_at: AwareDatetime
    promoted_at: AwareDatetime | None = None
    #: When the copy that does not answer any more may go; None while it runs, and once it went.
    keep_until: AwareDatetime | None = None
    #: When that copy went.
    retired_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    reason: str = ""

    @property
    def spare(self) -> CollectionName | None:
        """The copy that is kept in case of regrets, None if there is none (any more)."""
        if self.retired_at is not None:
            return None
        match self.state:
            case MigrationState.PROMOTED:
                return self.source
            case MigrationState.ROLLED_BACK:
                return self.shadow
            case _:
                return None


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


class DifferingItem(NamedTuple):
    """An item that two indexes have in different versions, or that one of them has not."""

    id: str
    #: In the index that answers; 0: it has none.
    version: int
    #: In the shadow; likewise.
    shadow_version: int


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
    missing_items: tuple[DifferingItem, ...] = ()
    surplus_items: tuple[DifferingItem, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether both have the same items in the same versions."""
        return self.missing == 0 and self.surplus == 0
