"""Answers of indexes that were given before, as long as nothing newer can be found."""

from collections.abc import Awaitable, Callable
from typing import Final

from sightwire.cache.filling import NotKept
from sightwire.cache.keys import key_of
from sightwire.cache.levels import MultiLevelCache
from sightwire.contracts.collections import CollectionRecord
from sightwire.v1 import searcher_pb2
from sightwire_gateway.manifest_versions import ManifestVersions

#: Part of every key; another number leaves all entries behind that were written before.
_FORMAT: Final = 1

Search = Callable[[], Awaitable[searcher_pb2.SearchResponse]]


class QueryCache:
    """Answers by index (its uid and space), manifest version and question; so a reload need delete nothing.

    Args:
        cache: where they are; None switches it off.
        manifests: which version is the newest.
    """

    def __init__(self, cache: MultiLevelCache | None, manifests: ManifestVersions) -> None:
        self._cache = cache
        self._manifests = manifests

    async def answer(
        self, index: CollectionRecord, asked: searcher_pb2.SearchRequest, inputs: tuple[object, ...], search: Search
    ) -> searcher_pb2.SearchResponse:
        """The index's answer, kept from before or that of `search`; of all who ask the same at once one searches.

        An answer is kept only under the version that it is of. One of an older version (from a searcher that loads the
        newest just now) reaches only who searched for it: for others, who asked later, it may be too old.

        Args:
            index: its own record.
            asked: the request without what has to be embedded.
            inputs: the rest of the question: what is embedded for it, and how.
            search: asks the searcher.

        Raises:
            Exception: whatever `search` raises.
        """
        if self._cache is None or asked.explain:
            return await search()
        # A page of a version that was named is the same for ever.
        version = asked.manifest_version or await self._manifests.newest(index)
        if version is None:
            return await search()
        own: searcher_pb2.SearchResponse | None = None

        async def compute() -> bytes | NotKept:
            nonlocal own
            own = await search()
            self._manifests.note(index, own.manifest_version)
            answer = own.SerializeToString()
            return answer if own.manifest_version == version else NotKept(answer)

        question = asked.SerializeToString(deterministic=True)
        key = key_of(_FORMAT, index.uid, index.space, version, question, *inputs)
        answer: bytes = await self._cache.get_or_compute(key, compute)
        if own is not None:
            return own
        found = searcher_pb2.SearchResponse.FromString(answer)
        return found if found.manifest_version >= version else await search()
