"""Refuses searches whose parts do not go together, and says what to do instead."""

from collections.abc import Sequence

from sightwire.errors import InvalidInputError
from sightwire_gateway.search_requests import SearchRequest, Target


def check_combination(request: SearchRequest, kinds: Sequence[str]) -> None:
    """Checks which parts of a search are given, not what is in them.

    Args:
        request: the search.
        kinds: of queries that are given, an uploaded image included.

    Raises:
        InvalidInputError: they do not go together.
    """
    stands_alone = bool(request.full_text or request.sort or request.facets)
    if len(kinds) > 1 or not (kinds or stands_alone or request.hybrid):
        raise InvalidInputError(
            "a query is exactly one of 'text', 'image' (perhaps uploaded), 'vector' and 'item', "
            f"got {' and '.join(kinds) or 'none of them'}; only with 'full_text', 'sort' or 'facets' it may be absent"
        )
    _check_words(request)
    if kinds and request.sort:
        raise InvalidInputError(
            f"results of a query by {kinds[0]} are ranked by nearness, so that 'sort' cannot order them; "
            "sort what 'filter' or 'full_text' find"
        )
    if not kinds:
        _check_without_vectors(request)
    if request.facets is not None:
        fields = [facet.field for facet in request.facets]
        if len(set(fields)) < len(fields):
            raise InvalidInputError(f"'facets' asks for each field once, got {', '.join(fields)}")


def check_weights(request: SearchRequest, fields: Sequence[str]) -> None:
    """Checks that weights are of fields that are searched.

    Raises:
        InvalidInputError: one is not.
    """
    unknown = [field for field in request.weights or {} if field not in fields]
    if unknown:
        raise InvalidInputError(
            f"'weights' names field {unknown[0]!r}, but searched are: {', '.join(fields)}; "
            "the weight of words is 'full_text.weight'"
        )


def check_query_text(text: str, *, max_characters: int) -> None:
    """Refuses texts that mean nothing or are too long.

    Raises:
        InvalidInputError: blank, or longer than `max_characters`.
    """
    if not text.strip():
        raise InvalidInputError("the query text is blank; say what to search for")
    if len(text) > max_characters:
        raise InvalidInputError(f"a query text may have {max_characters} characters, got {len(text)}")


def _check_words(request: SearchRequest) -> None:
    full_text = request.full_text
    if request.hybrid:
        if request.query.text is None:
            raise InvalidInputError("'hybrid' searches the query's text by words too, so that 'query' needs a 'text'")
        if full_text is not None and full_text.query is not None:
            raise InvalidInputError(
                "'hybrid' takes its words from the query's text: leave 'hybrid' or 'full_text.query' out"
            )
    elif full_text is not None and full_text.query is None:
        raise InvalidInputError("'full_text' needs a 'query', or 'hybrid' to take the query's text")


def _check_without_vectors(request: SearchRequest) -> None:
    """Refuses what only vectors have."""
    useless = [name for name in ("fields", "fusion", "weights") if getattr(request, name) is not None]
    if useless:
        raise InvalidInputError(f"{useless[0]!r} is about vectors, so that it needs a 'query'")
    if request.target is Target.OBJECTS:
        raise InvalidInputError("objects are found by their vectors, so that the target 'objects' needs a 'query'")
