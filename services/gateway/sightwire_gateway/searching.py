"""Answers searches: which index answers, whether a canary takes part, and how to go on to the next page."""

from dataclasses import dataclass
from functools import partial

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import ConflictError
from sightwire.v1 import searcher_pb2
from sightwire_gateway import cursors
from sightwire_gateway.canaries import Canaries, CanaryQuery
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.index_search import IndexAnswer, IndexSearch, Page, QueryPicture, Question
from sightwire_gateway.query_ids import is_in_share, new_query, query_id
from sightwire_gateway.query_plan import Embedding
from sightwire_gateway.search_requests import SearchRequest


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What was found, and how to go on. `query_id` is what clicks on it refer to."""

    query_id: str
    response: searcher_pb2.SearchResponse
    fields: tuple[str, ...]
    next_cursor: str | None


class SearchDesk:
    """Turns search requests into answers. A query is answered by one index from its start to its end."""

    def __init__(self, collections: CollectionDesk, indexes: IndexSearch, canaries: Canaries) -> None:
        self._collections = collections
        self._indexes = indexes
        self._canaries = canaries

    async def search(
        self, record: CollectionRecord, request: SearchRequest, *, picture: QueryPicture | None = None
    ) -> SearchOutcome:
        """Answers a search.

        Args:
            record: the collection, as users name it.
            request: what is asked, checked in form only.
            picture: the query's image, when the query is one.

        Raises:
            InvalidInputError and its kin: the request does not fit the collection.
            ConflictError: the page before came from an index, or a state of it, that is gone.
            UnavailableError: embedder or searcher does not answer.
        """
        question = Question(request, picture)
        query = new_query()
        page = Page()
        if request.cursor is None:
            answer = await self._first_page(record, question, query)
        else:
            cursor = cursors.decode(request.cursor, expected_fingerprint=_fingerprint(record, question))
            page = Page(cursor.offset, cursor.manifest_version)
            answer = await self._indexes.answer(self._index_of_page(record, cursor.index), question, page)
        next_cursor: str | None = None
        next_offset = page.offset + request.k
        if answer.response.more and next_offset < cursors.PAGING_WINDOW:
            fingerprint = _fingerprint(record, question)
            next_cursor = cursors.encode(
                cursors.Cursor(next_offset, answer.response.manifest_version, fingerprint, answer.index.name)
            )
        id_ = query_id(query, answered_by_shadow=answer.index.name == _canary_shadow(record))
        return SearchOutcome(id_, answer.response, answer.fields, next_cursor)

    async def _first_page(self, record: CollectionRecord, question: Question, query: str) -> IndexAnswer:
        index = self._collections.index_of(record)
        ask_index = partial(self._indexes.answer, index, question)
        shadow = self._shadow_to_ask(record, query)
        # Only what the platform embeds is answered otherwise by another model.
        if shadow is None or self._indexes.plan(index, question).embedding is Embedding.NOTHING:
            return await ask_index()
        # Both embed and search: how long they take is compared, and caches know more of the one that is there longer.
        ask_shadow = partial(self._indexes.answer, shadow, question, is_fresh=True)
        ask_index = partial(ask_index, is_fresh=True)
        return await self._canaries.answer(CanaryQuery(record.name, shadow.name, query, ask_index, ask_shadow))

    def _shadow_to_ask(self, record: CollectionRecord, query: str) -> CollectionRecord | None:
        """The shadow that is to answer a query, None for most."""
        shadow = _canary_shadow(record)
        if record.canary is None or shadow is None or not is_in_share(query, record.canary.share):
            return None
        return self._collections.find_copy(record, shadow)

    def _index_of_page(self, record: CollectionRecord, index: str) -> CollectionRecord:
        found = self._collections.find_copy(record, index)
        if found is None:
            raise ConflictError(
                f"the index that answered the pages before is gone: collection {record.name!r} has another model now; "
                "repeat the query without the cursor"
            )
        return found


def _fingerprint(record: CollectionRecord, question: Question) -> str:
    picture_sha256 = question.picture.sha256 if question.picture is not None else ""
    return cursors.fingerprint(record.uid, question.request, picture_sha256)


def _canary_shadow(record: CollectionRecord) -> str | None:
    """The shadow that answers a share of the queries; none any more once it answers all of them."""
    return record.canary.shadow if record.canary is not None and record.canary.shadow != record.index_name else None
