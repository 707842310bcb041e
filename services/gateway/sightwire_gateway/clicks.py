"""Clicks: which results of queries were chosen, for whoever compares models."""

from datetime import UTC, datetime

from nats.errors import Error as NatsError
from pydantic import BaseModel, ConfigDict, Field

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.migrations import Click
from sightwire.contracts.names import ItemId
from sightwire.errors import UnavailableError
from sightwire_gateway.query_ids import QueryId, was_answered_by_shadow


class ClickRequest(BaseModel):
    """A result that was chosen."""

    model_config = ConfigDict(extra="forbid")

    query_id: QueryId = Field(description="Of the search's answer")
    item: ItemId
    rank: int = Field(ge=1, description="Position among the results, from 1")


class Clicks:
    """Tells the bus of clicks. They are kept nowhere: who wants to count them listens."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, collection: str, request: ClickRequest) -> None:
        """Tells of a click on a result of a collection, as users name it.

        Raises:
            UnavailableError: the bus is away.
        """
        click = Click(
            collection=collection,
            query=request.query_id,
            item=request.item,
            rank=request.rank,
            answered_by_shadow=was_answered_by_shadow(request.query_id),
            clicked_at=datetime.now(UTC),
        )
        if not self._bus.is_connected:
            raise UnavailableError("the bus is not reachable, so nobody hears of the click; it may be left out")
        try:
            await self._bus.client.publish(subjects.canary_click(collection), click.model_dump_json().encode())
        except NatsError as error:
            raise UnavailableError(f"the bus did not take the click: {error!r}; it may be left out") from error
