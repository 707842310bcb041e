"""Runs queries on a snapshot. Synchronous and thread-safe: call it from a thread, FAISS and NumPy release the GIL."""

import time
from collections.abc import Sequence

from sightwire.segments.vectors import Matrix
from sightwire.v1 import searcher_pb2
from sightwire_searcher.search.explanation import Explanation, FieldReport, TextReport
from sightwire_searcher.search.facets import count_values
from sightwire_searcher.search.field_rankings import FieldSearch, rank_field, rank_items
from sightwire_searcher.search.fusion import FusedItem, FusedRanking, fuse, fusion_depth
from sightwire_searcher.search.highlights import Highlighter
from sightwire_searcher.search.matched_objects import ObjectMatcher
from sightwire_searcher.search.matching import matching_items
from sightwire_searcher.search.mean_scores import fuse_by_mean_score
from sightwire_searcher.search.normalized_scores import fuse_by_normalized_score, fuse_with_text
from sightwire_searcher.search.plain_answers import documents_of, plain_response
from sightwire_searcher.search.query import Query
from sightwire_searcher.search.rankings import Ranking
from sightwire_searcher.search.result_page import ResultPage, find_page
from sightwire_searcher.search.selections import Selections
from sightwire_searcher.search.sorting import sort_items
from sightwire_searcher.search.stored_vectors import query_matrices
from sightwire_searcher.search.text_ranking import TextSearch
from sightwire_searcher.search.values import value_message
from sightwire_searcher.snapshot import Snapshot


class SearchEngine:
    """Answers checked queries."""

    def __init__(self, selections: Selections) -> None:
        self._selections = selections

    def search(self, snapshot: Snapshot, query: Query) -> searcher_pb2.SearchResponse:
        """Answers one query.

        Raises:
            NotFoundError: it searches with an item that the snapshot does not have.
            InvalidInputError: it searches with an item that has no vector.
        """
        started = time.perf_counter()
        vector = query.targets[0].vector if query.is_plain else None
        if vector is not None:
            ranking = rank_items(snapshot, self._selections, _field_search(query, 0, query.k), vector)
            return _timed(plain_response(snapshot, ranking, query.k, with_documents=query.with_documents), started)
        explanation = Explanation(snapshot.version, snapshot.generation) if query.explain else None
        vectors = query_matrices(snapshot, query.targets)
        order = query.order
        matching = []
        if order is not None or query.facets:
            with_words = self._selections.with_words(snapshot, query.text) if query.text is not None else None
            matching = matching_items(snapshot, self._selections, query.filter, with_words)
        words = None
        if order is None and query.text is not None:
            words = TextSearch(snapshot, self._selections, query.text, query.filter)

        def rank(depth: int) -> FusedRanking:
            if order is not None:
                return sort_items(matching, order, depth)
            return self._ranking(snapshot, query, vectors, words, depth, explanation)

        page = find_page(snapshot, query, rank)
        if explanation is not None:
            explanation.seconds["search"] = time.perf_counter() - started
        response = self._respond(snapshot, query, vectors, page, started)
        if query.facets:
            response.facets.extend(count_values(matching, facet, snapshot.record) for facet in query.facets)
            response.search_seconds = time.perf_counter() - started
        if explanation is not None:
            explanation.seconds["total"] = response.search_seconds
            response.explanation = explanation.as_json()
        return response

    def _ranking(
        self,
        snapshot: Snapshot,
        query: Query,
        vectors: Sequence[Matrix | None],
        words: TextSearch | None,
        depth: int,
        explanation: Explanation | None,
    ) -> FusedRanking:
        field_depth = fusion_depth(depth, len(vectors) + (words is not None))
        rankings: list[Ranking] = []
        for number, vector in enumerate(vectors):
            if vector is None:
                rankings.append(Ranking([], complete=True))
                continue
            report = FieldReport(query.targets[number].field, field_depth) if explanation is not None else None
            search = _field_search(query, number, field_depth)
            rankings.extend(rank_field(snapshot, self._selections, search, vector, report))
            if explanation is not None and report is not None:
                explanation.fields.append(report)
        by_words = None
        if words is not None:
            text_report = TextReport(field_depth) if explanation is not None else None
            by_words = words.rank(field_depth, text_report)
            if explanation is not None and text_report is not None:
                explanation.texts.append(text_report)
        return _fused(snapshot, query, vectors, rankings, by_words)

    def _respond(
        self,
        snapshot: Snapshot,
        query: Query,
        vectors: Sequence[Matrix | None],
        page: ResultPage,
        started: float,
    ) -> searcher_pb2.SearchResponse:
        matchers = [
            ObjectMatcher(snapshot, target.field, vector, query.filter)
            if target.per_object and vector is not None
            else None
            for target, vector in zip(query.targets, vectors, strict=True)
        ]
        documents = [b""] * len(page.items)
        if query.with_documents:
            documents = documents_of(snapshot, [item.found for item in page.items])
        response = searcher_pb2.SearchResponse(
            manifest_version=snapshot.version,
            generation=snapshot.generation,
            more=page.more,
        )
        for item, document in zip(page.items, documents, strict=True):
            _fill_hit(response.hits.add(), query, item, document, matchers)
        for hit, value in zip(response.hits, page.group_values, strict=False):
            if value is not None:
                hit.group.CopyFrom(value_message(value))
        if query.text is not None and query.text.highlight:
            highlighter = Highlighter(query.text)
            for hit, item in zip(response.hits, page.items, strict=True):
                reader = snapshot.segments[item.found.segment].reader
                hit.highlights.extend(highlighter.highlights(reader, item.found.row))
        response.search_seconds = time.perf_counter() - started
        return response


def _field_search(query: Query, number: int, depth: int) -> FieldSearch:
    target = query.targets[number]
    return FieldSearch(target.field, target.per_object, query.filter, depth, target.ef_search)


def _fused(
    snapshot: Snapshot,
    query: Query,
    vectors: Sequence[Matrix | None],
    by_field: Sequence[Ranking],
    by_words: Ranking | None,
) -> FusedRanking:
    """One ranking from those of the field queries and of the text query, as the query asks."""
    weights = [target.weight for target in query.targets]
    if query.by_mean_score and len(by_field) + (by_words is not None) > 1 and by_field:
        fields = [target.field for target in query.targets]
        averaged = fuse_by_mean_score(snapshot, by_field, fields, vectors, weights)
        if by_words is None or query.text is None:
            return averaged
        return fuse_with_text(averaged, weights, by_words, query.text.weight)
    rankings = list(by_field)
    if by_words is not None and query.text is not None:
        rankings.append(by_words)
        weights.append(query.text.weight)
    if query.by_normalized_score and len(rankings) > 1:
        return fuse_by_normalized_score(rankings, weights)
    return fuse(rankings, weights)


def _fill_hit(
    hit: searcher_pb2.Hit,
    query: Query,
    item: FusedItem,
    document: bytes,
    matchers: Sequence[ObjectMatcher | None],
) -> None:
    # Setting members in place takes half the time of handing messages to constructors, which copy them.
    hit.item_id = item.found.item_id
    hit.score = item.found.score
    hit.document = document
    for name, place in zip(query.place_names if item.places else (), item.places, strict=True):
        field_score = hit.field_scores.add()
        field_score.field = name
        field_score.score = place.score
        field_score.rank = place.rank
    # Several vectors may have searched the objects; an item shows those of the first that found it.
    for matcher, place in zip(matchers, item.places, strict=False):
        if matcher is not None and place.rank:
            hit.objects.extend(matcher.match(item.found))
            break


def _timed(response: searcher_pb2.SearchResponse, started: float) -> searcher_pb2.SearchResponse:
    response.search_seconds = time.perf_counter() - started
    return response
