"""Asks every searcher, after a switch, whether it really serves the generation that became live."""

from collections.abc import Callable, Mapping

from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.open_generations import OpenGeneration


class Deployed:
    """Verification of one collection's switches.

    Args:
        addresses: gRPC address of each searcher that lives now, by searcher.
    """

    def __init__(self, record: CollectionRecord, addresses: Callable[[], Mapping[str, str]]) -> None:
        self._record = record
        self._addresses = addresses

    async def verify(self, live: OpenGeneration, *, seconds: float) -> dict[str, str]:
        """What is wrong with the answers of which searcher; empty if all is well.

        Args:
            live: what has become live, as the newest manifest says.
            seconds: how long a searcher that does not answer is asked again; a wrong answer counts at once.
        """
        raise NotImplementedError
